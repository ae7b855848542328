// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Proxy execution: run the owner of a lock on the time of a blocked waiter
 *
 * Model::
 *
 *   A task that blocks on a sleeping lock stays on its runqueue and competes
 *   there as before. When it is picked, the scheduler follows what it is
 *   blocked on to the owner of the lock, and on if that is blocked itself, to
 *   a task that can run. That task runs instead, and whatever it uses up is
 *   charged to the one that was picked.
 *
 * Terms::
 *
 *   donor	a task blocked on a lock and left on the runqueue. rq->donor is
 *		the task whose scheduling context was picked; it is a donor in
 *		this sense exactly if it differs from rq->curr.
 *   owner	the holder of the lock.
 *   chain	donor -> lock -> owner -> lock -> ... -> a task that can run, or
 *		a reason why there is none.
 *   waiter	the last donor of the chain that runs, which is blocked on a lock
 *		that rq->curr owns: rq->proxy_waiter. If that one leaves, it is
 *		the donor itself until the next pick.
 *
 * Where a waiter is::
 *
 *   queued	p->proxy.blocked, on a runqueue: that of its owner. It competes,
 *		and if it is picked the owner runs. At home that is where it
 *		blocked; elsewhere it was carried there, p->proxy.home tells.
 *   on its way	in rq->proxy_outbox of the runqueue it has just left.
 *   parked	in the group of its lock, which belongs to the owner, because
 *		that does not need help now: it runs, or sleeps, or is parked
 *		itself; or needs better help than this waiter has to offer.
 *   asleep	as it would be without proxy execution.
 *
 *   All but "queued" are ordinary sleepers, off all runqueues, for everybody
 *   else. The only state in which a donor can help is "owner runnable but not
 *   running", and only then is it queued: at once if it has something that the
 *   owner has not, see proxy_improves(), or else if the owner still waits at the
 *   next tick. If nothing can be gained here and now, a task that blocks is
 *   parked on the spot, see proxy_leaves().
 *
 *	    schedule(): owner here		picked, owner not here
 *   running ---------------> queued ------------------------> on its way
 *	^  \___________________ | ^ ________________________________^ |
 *	|    owner elsewhere	  | |		       [proxy_place()] |
 *	|			  | +---- owner runnable, not running -+
 *	|	wakeup		  | |				       |
 *	|			  | |   [proxy_feed()]		       v
 *	+-------------------------+ +------------------------------- parked
 *	|			  | somebody needs it off	       |
 *	|			  v				       |
 *	+----------------------- asleep <------------------------------+
 *
 *   A waiter keeps its p->__state: for whoever wakes it, it sleeps. While it is
 *   queued it does not change runqueues; what would move it demotes it first.
 *   As this is possible at any time under rq->lock, and the lock's own wakeup is
 *   always sent, falling back to plain blocking is never a matter of
 *   correctness.
 *
 * Invariants::
 *
 *   [I1] A blocked task does not run, but to return from its own schedule()
 *	  after the mark is gone.
 *   [I2] rq->curr is allowed on its CPU: an owner is only run on the CPU it is
 *	  queued on. A donor runs only after a wakeup has placed it, or where it
 *	  has blocked.
 *   [I3] A task is on one runqueue and runs on one CPU at most.
 *   [I4] Time: see the table at task_current() for what is charged to whom.
 *   [I5] A waiter is queued, parked on a task that will take it along, or
 *	  asleep on the wait list of its lock. Whoever is next for a released
 *	  lock is woken.
 *   [I6] A mutex released on the time of a donor goes to the waiter of that
 *	  mutex through which the donation came, see __mutex_proxy_handoff().
 *   [I7] Off is off: nothing is ever blocked, and donor and curr never differ.
 *   [I8] A walk is bounded by PROXY_MAX_DEPTH, and ends where it meets itself.
 *   [I9] What cannot be served falls back to plain blocking, and is counted.
 *
 *   Outside of __schedule() rq->donor differs from rq->curr only while it is
 *   blocked. When it stops being blocked rq->curr becomes its own donor again,
 *   before rq->lock is released.
 *
 *   A task with parked donors that is queued but does not run is in
 *   rq->proxy_pending, or is about to be when rq->lock is released.
 *
 * Locks, and who writes what::
 *
 *   p->pi_lock -> rq->lock -> lock of rq->proxy_outbox -> lock of a hash bucket
 *		  -> p->proxy.lock
 *
 *   The walk holds rq->lock and nothing else. No lock's wait_lock is taken by
 *   the scheduler; wakeups are sent with no wait_lock held.
 *
 *   p->blocked_on		p itself, under the wait_lock of the lock; or when
 *				the former owner has taken it off the wait list
 *   p->proxy.blocked, walk	rq->lock of the runqueue p is queued on
 *   p->proxy.home		p->pi_lock, with p off the runqueues
 *   p->proxy.queue, node, group, urges
 *				the lock of that queue. A sleeping p is put in a
 *				queue under p->pi_lock, or under rq->lock of the
 *				runqueue it has not yet left.
 *   p->proxy.held, holds, closed
 *				p->proxy.lock
 *   group->owner		the lock of its hash bucket, and p->proxy.lock of
 *				the former or new owner p
 *   p->proxy.urged		set with the lock of a bucket, and no more than a
 *				reason to hurry
 *   p->proxy.pending, listed	rq->lock of the runqueue p is queued on
 *   p->proxy.backs_off		p itself
 *   group->word, nr, nr_urgent, waiters
 *				the lock of its hash bucket
 *   p->proxy.nr_*, time_*	rq->lock of the CPU that counts
 *   rq->proxy_outbox		its own lock; entered under rq->lock
 *   rq->donor, rq->proxy_*	rq->lock
 *
 * Carrying a waiter to its owner::
 *
 *   A waiter that leaves a runqueue can be woken from that moment on, and its
 *   stack is in use until the switch is done. So it is put in the outbox, the
 *   next task is picked and switched to, and only then, from a balance callback
 *   which drops rq->lock, the waiter is placed: with p->pi_lock held, as in a
 *   wakeup, which excludes any. All links of a chain go in one pass, the one
 *   next to the owner first.
 *
 *   A wakeup takes the waiter out of whatever queue it is in before anything
 *   else happens to it. Whoever finds it in a queue and has p->pi_lock therefore
 *   knows that it still sleeps, and waits for the same lock: there are no stale
 *   entries to recognize.
 *
 * Why rq->lock alone is enough::
 *
 *   Take p, blocked on this rq, with rq->lock held and in __schedule() on its
 *   CPU.
 *
 *   p cannot run, so it cannot return from waiting for the lock: p->blocked_on
 *   is stable, and the lock it names exists.
 *
 *   If the owner is found queued on this rq too, it does not run on this CPU,
 *   because this CPU is here; it does not run anywhere else, because it is
 *   queued here; and it cannot leave without rq->lock. So it cannot release
 *   the lock. The owner word is read again after the owner was found to be
 *   queued here, and what it says then holds until rq->lock is released or the
 *   owner runs.
 *
 *   If the owner is anywhere else, or nobody owns the lock, or the lock does
 *   not tell, what was read is a hint. All that follows from a hint is that p
 *   is let run, to look for itself, or that it leaves this runqueue.
 *
 *   An owner holds the lock, so it has not exited; optimistic spinning relies
 *   on that, too. Interrupts are off from before its name is read until after
 *   it was last looked at, which keeps its task_struct: see
 *   delayed_put_task_struct().
 *
 * Termination::
 *
 *   Each walk follows at most PROXY_MAX_DEPTH links. A walk that does not end
 *   in a task to run takes all of its chain off the runqueue before the next
 *   pick. New ones come only when another CPU gets hold of rq->lock in between,
 *   to carry a waiter here because its owner is queued here and does not run;
 *   when that is picked, it is served.
 *
 * Races considered::
 *
 *   (a) A wakeup of p, while __schedule() on its CPU has dropped rq->lock in
 *	 the middle of the pick. p is rq->curr: it stops being blocked, and the
 *	 pick may find it again.
 *   (b) A wakeup that has seen p's sleeping state, while the walk finds the
 *	 lock free and lets p run. The waker holds p->pi_lock, and comes to
 *	 ttwu_runnable() when p is not blocked any more. Its store of
 *	 TASK_RUNNING can hit a later sleep of p, as any wakeup from a wake_q
 *	 can; special states are set under p->pi_lock and cannot be hit.
 *   (c) rq->donor is woken from another CPU, see proxy_reset_donor(). Class
 *	 callbacks must read rq->donor after the last point where rq->lock can
 *	 have been dropped.
 *   (d) The owner releases the lock while it runs for rq->donor, and wakes
 *	 another waiter, see __sched_proxy_unlock().
 *   (e) ww_mutex: a waiter that is wounded or dies is woken like any other and
 *	 backs off by itself. Until then there can be a cycle, see
 *	 proxy_backs_off().
 *   (f) A task preempted after it has set blocked_on and before it calls
 *	 schedule() is not blocked, and may be the end of a chain.
 *   (g) A waiter is parked on an owner that sleeps, while the owner is woken, or
 *	 on one that runs, while it is preempted: see proxy_stands() and
 *	 proxy_settle().
 *   (h) A waiter is parked on an owner that releases the lock at the same time:
 *	 see proxy_still_owner(). If others had been parked there before it they
 *	 go on with it, see proxy_park().
 *   (i) A waiter is parked on what looks like an owner, but has released the
 *	 lock, and exits: it is closed when it is off its CPU for the last time.
 *	 Its memory outlives whoever has found it with interrupts off.
 *
 *   Documentation/scheduler/sched-proxy-exec.pml is a model of this for spin,
 *   and says which of its steps stand for which functions here.
 *
 * Not handled, falls back to plain blocking::
 *
 *   Core scheduling; sched_ext as donor or owner; reader-owned rw_semaphores;
 *   freezable waits; CPUs that go down. Pushing and pulling move neither donors
 *   nor the task that runs for one.
 */

#include <linux/debugfs.h>
#include <linux/delayacct.h>
#include <linux/hash.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>

/*
 * Longest chain that is followed. Kernel code does not nest sleeping locks
 * nearly as deep; the bound is for the time spent with interrupts off.
 */
#define PROXY_MAX_DEPTH		64
#define PROXY_DEPTHS		(order_base_2(PROXY_MAX_DEPTH) + 1)

/*
 * Switched off by the boot parameter only, before the first task can block on
 * a contended lock.
 */
DEFINE_STATIC_KEY_TRUE(__sched_proxy_exec);

/* Cleared to end donations for a while; see enabled_write(). */
static bool proxy_enabled __read_mostly = true;

static int proxy_param __initdata = -1;

static int __init proxy_setup(char *str)
{
	bool on;

	if (kstrtobool(str, &on)) {
		pr_warn("sched/proxy: sched_proxy_exec=%s is not a boolean, ignored\n", str);
		return 1;
	}

	proxy_param = on;
	if (!on)
		static_branch_disable(&__sched_proxy_exec);
	return 1;
}
__setup("sched_proxy_exec=", proxy_setup);

static int __init proxy_init(void)
{
	pr_info("sched/proxy: proxy execution %s (%s)\n",
		sched_proxy_exec() ? "on" : "off",
		proxy_param < 0 ? "default" :
		proxy_param ? "sched_proxy_exec=1" : "sched_proxy_exec=0");
	return 0;
}
core_initcall(proxy_init);

#define CREATE_TRACE_POINTS
#include <trace/events/sched_proxy.h>
#undef CREATE_TRACE_POINTS

/* The owner of a lock is not queued here, and this is all that is certain. */
#define PROXY_AWAY		NR_PROXY_STATS

struct proxy_stats {
	unsigned long	nr[NR_PROXY_STATS];
	/* Donations over 1, 2, at most 4, 8... links */
	unsigned long	depth[PROXY_DEPTHS];
	unsigned int	max_depth;
};

static DEFINE_PER_CPU(struct proxy_stats, proxy_stats);

static void proxy_count(enum proxy_stat what)
{
	this_cpu_inc(proxy_stats.nr[what]);
}

/* @owner runs on the time of @donor, to which it is @depth links. */
static void proxy_count_donation(struct task_struct *donor,
				 struct task_struct *owner, unsigned int depth)
{
	proxy_count(PROXY_DONATIONS);
	this_cpu_add(proxy_stats.nr[PROXY_HOPS], depth);
	this_cpu_inc(proxy_stats.depth[order_base_2(depth)]);
	if (depth > this_cpu_read(proxy_stats.max_depth))
		this_cpu_write(proxy_stats.max_depth, depth);
	donor->proxy.nr_donated++;
	owner->proxy.nr_helped++;
}

static void proxy_count_parked(struct task_struct *p, struct task_struct *owner,
			       enum proxy_stat why)
{
	proxy_count(why);
	trace_sched_proxy_park(p, owner, why);
}

static void proxy_count_degraded(struct task_struct *p, enum proxy_stat why)
{
	proxy_count(why);
	trace_sched_proxy_degrade(p, why);
}

/* Classes that take part */
static bool proxy_class(const struct sched_class *class)
{
	return class == &fair_sched_class || class == &rt_sched_class ||
	       class == &dl_sched_class;
}

/*
 * The clock may have been updated under this lock by a caller that had other
 * reasons to. Only CONFIG_SCHED_DEBUG keeps track, and complains.
 */
static void proxy_update_rq_clock(struct rq *rq)
{
	if (!IS_ENABLED(CONFIG_SCHED_DEBUG) ||
	    !(rq->clock_update_flags & RQCF_UPDATED))
		update_rq_clock(rq);
}

/*
 * Parked waiters are kept by lock: in a group, which belongs to the task that
 * will take them along when it needs them. So the next owner gets them in one
 * step, however many they are. The group is in the task that was parked first,
 * and moves on to another of its tasks when that one leaves.
 *
 * The lock of the hash bucket is for the groups in it, and who their owners are.
 * What an owner has it has under its own lock, too.
 */
#define PROXY_HASH_BITS		8

static struct sched_proxy_queue proxy_hash[1 << PROXY_HASH_BITS];

static struct sched_proxy_queue *proxy_bucket(unsigned long word)
{
	return &proxy_hash[hash_long(word, PROXY_HASH_BITS)];
}

static void proxy_return(struct task_struct *p);
static void proxy_pass_on(unsigned long word, struct task_struct *from,
			  struct task_struct *next);

static void proxy_init_queue(struct sched_proxy_queue *q, bool outbox)
{
	raw_spin_lock_init(&q->lock);
	q->outbox = outbox;
	plist_head_init(&q->tasks);
	INIT_LIST_HEAD(&q->groups);
}

void proxy_fork(struct task_struct *p)
{
	memset(&p->proxy, 0, sizeof(p->proxy));
	p->proxy.home = -1;
	raw_spin_lock_init(&p->proxy.lock);
	INIT_LIST_HEAD(&p->proxy.held);
	INIT_LIST_HEAD(&p->proxy.group.hashed);
	INIT_LIST_HEAD(&p->proxy.pending);
}

void __init proxy_init_rq(struct rq *rq)
{
	int i;

	proxy_init_queue(&rq->proxy_outbox, true);
	INIT_LIST_HEAD(&rq->proxy_pending);

	for (i = 0; !proxy_hash[0].groups.next && i < ARRAY_SIZE(proxy_hash); i++)
		proxy_init_queue(&proxy_hash[ARRAY_SIZE(proxy_hash) - 1 - i], false);
}

static struct sched_proxy_group *proxy_find_group(struct sched_proxy_queue *q,
						  unsigned long word)
{
	struct sched_proxy_group *group;

	lockdep_assert_held(&q->lock);

	list_for_each_entry(group, &q->groups, hashed) {
		if (group->word == word)
			return group;
	}

	return NULL;
}

static void proxy_unbind(struct sched_proxy_group *group)
{
	struct task_struct *owner = group->owner;

	if (!owner)
		return;

	guard(raw_spinlock)(&owner->proxy.lock);
	list_del(&group->held);
	group->owner = NULL;
	if (list_empty(&owner->proxy.held)) {
		WRITE_ONCE(owner->proxy.holds, false);
		WRITE_ONCE(owner->proxy.urged, false);
	}
}

/* @group belongs to @owner from now on. Return: not if that is dead. */
static bool proxy_bind(struct sched_proxy_group *group, struct task_struct *owner)
{
	if (group->owner != owner) {
		proxy_unbind(group);
		guard(raw_spinlock)(&owner->proxy.lock);
		if (owner->proxy.closed)
			return false;
		list_add_tail(&group->held, &owner->proxy.held);
		WRITE_ONCE(owner->proxy.holds, true);
		group->owner = owner;
	}
	if (group->nr_urgent && !READ_ONCE(owner->proxy.urged))
		WRITE_ONCE(owner->proxy.urged, true);
	return true;
}

static struct task_struct *proxy_group_first(struct sched_proxy_group *group)
{
	return plist_first_entry(&group->waiters, struct task_struct, proxy.node);
}

/* @from is about to leave. Its group goes on in another of its tasks. */
static void proxy_move_group(struct sched_proxy_group *from)
{
	struct sched_proxy_group *to;

	if (plist_head_empty(&from->waiters)) {
		proxy_unbind(from);
		list_del_init(&from->hashed);
		return;
	}

	to = &proxy_group_first(from)->proxy.group;
	to->word = from->word;
	to->nr = from->nr;
	to->nr_urgent = from->nr_urgent;
	to->owner = from->owner;
	list_replace(&from->waiters.node_list, &to->waiters.node_list);
	list_replace_init(&from->hashed, &to->hashed);
	if (to->owner) {
		guard(raw_spinlock)(&to->owner->proxy.lock);
		list_replace(&from->held, &to->held);
	}
}

static void __proxy_take(struct task_struct *p, struct sched_proxy_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (q->outbox) {
		plist_del(&p->proxy.node, &q->tasks);
	} else {
		struct sched_proxy_group *group = proxy_find_group(q, p->blocked_on);

		plist_del(&p->proxy.node, &group->waiters);
		group->nr--;
		if (p->proxy.urges)
			group->nr_urgent--;
		if (group == &p->proxy.group)
			proxy_move_group(group);
	}
	/* The last access: without it a wakeup does not look here. */
	smp_store_release(&p->proxy.queue, NULL);
}

static bool proxy_take(struct task_struct *p, struct sched_proxy_queue *q)
{
	guard(raw_spinlock)(&q->lock);

	if (p->proxy.queue != q)
		return false;

	__proxy_take(p, q);
	return true;
}

/*
 * Nobody takes those in @group along any more: they wait like anybody else,
 * until another waiter finds an owner that does.
 */
static void proxy_drop(struct sched_proxy_group *group, enum proxy_stat why)
{
	struct task_struct *p;

	this_cpu_add(proxy_stats.nr[why], group->nr);
	if (trace_sched_proxy_degrade_enabled()) {
		plist_for_each_entry(p, &group->waiters, proxy.node)
			trace_sched_proxy_degrade(p, why);
	}
	proxy_unbind(group);
}

/*
 * @p is an ordinary sleeper from now on, for the reason @why. Those that were to
 * come with it to the owner of its lock cannot depend on that.
 */
static void proxy_let_go(struct task_struct *p, enum proxy_stat why)
{
	unsigned long word = READ_ONCE(p->blocked_on);
	struct sched_proxy_queue *q = proxy_bucket(word);
	struct sched_proxy_group *group;

	if (likely(!proxy_has_donors(p)))
		return;

	/* Nested in that of the outbox, see proxy_after_switch() */
	guard(raw_spinlock_nested)(&q->lock);
	group = proxy_find_group(q, word);
	if (group && group->owner == p)
		proxy_drop(group, why);
}

/* Put @p, which has left @rq, on its way. */
static void proxy_post(struct rq *rq, struct task_struct *p, int key)
{
	struct sched_proxy_queue *q = &rq->proxy_outbox;

	guard(raw_spinlock)(&q->lock);
	plist_node_init(&p->proxy.node, key);
	plist_add(&p->proxy.node, &q->tasks);
	WRITE_ONCE(p->proxy.queue, q);
	rq->proxy_work = true;
	trace_sched_proxy_leave(p);
}

void __proxy_claim(struct task_struct *p)
{
	struct sched_proxy_queue *q;

	lockdep_assert_held(&p->pi_lock);

	q = smp_load_acquire(&p->proxy.queue); /* pairs with __proxy_take() */
	if (q && proxy_take(p, q))
		trace_sched_proxy_unblock(p, PROXY_INJECTED);
	if (p->proxy.home >= 0)
		proxy_return(p);
}

void __proxy_dequeued(struct task_struct *p)
{
	p->proxy.listed = false;
	list_del(&p->proxy.pending);
}

void __proxy_tick(struct rq *rq)
{
	if (list_empty(&rq->proxy_pending))
		return;
	rq->proxy_feed = true;
	rq->proxy_work = true;
	resched_curr(rq);
}

/*
 * A lock of which @p has waiters, or 0. Each time another, if there are several.
 */
static unsigned long proxy_held_word(struct task_struct *p)
{
	struct sched_proxy_group *group;

	guard(raw_spinlock)(&p->proxy.lock);
	if (list_empty(&p->proxy.held))
		return 0;

	group = list_first_entry(&p->proxy.held, struct sched_proxy_group, held);
	list_rotate_left(&p->proxy.held);
	return group->word;
}

void __proxy_exit(struct task_struct *p)
{
	unsigned long word;

	/*
	 * If it has died of an oops it can have left a lock behind, which names
	 * it as the owner even when its task_struct is gone. Nobody is to follow
	 * that from now on; who already does has interrupts off.
	 */
	smp_mb(); /* pairs with that in enabled_write() */
	if (unlikely(test_taint(TAINT_DIE)))
		WRITE_ONCE(proxy_enabled, false);

	guard(irqsave)();
	scoped_guard(raw_spinlock, &p->proxy.lock)
		p->proxy.closed = true;

	while ((word = proxy_held_word(p))) {
		struct sched_proxy_queue *q = proxy_bucket(word);
		struct sched_proxy_group *group;

		guard(raw_spinlock)(&q->lock);
		group = proxy_find_group(q, word);
		if (group && group->owner == p)
			proxy_drop(group, PROXY_DEGRADED_EXITING);
	}
}

/* Is @p a link of the chain that rq->curr runs for? */
static bool proxy_on_chain(struct rq *rq, struct task_struct *p)
{
	return rq->proxy_waiter && p->proxy.walk == rq->proxy_walk;
}

static void proxy_set_waiter(struct rq *rq, struct task_struct *p)
{
	bool changed = !rq->proxy_waiter != !p;

	if (changed && !p)
		trace_sched_proxy_end(rcu_dereference_protected(rq->curr, 1),
				      cpu_of(rq));
	WRITE_ONCE(rq->proxy_waiter, p);
	if (p)
		rq->proxy_work = true;
	if (changed)
		sched_update_tick_dependency(rq);
}

/*
 * rq->curr becomes its own donor again. The class must have a current task at
 * all times, and rq->curr is the one that can be: it is on this CPU, queued or
 * not, dead or alive, so nobody can enqueue it elsewhere meanwhile. The donor
 * is not on the CPU, and anybody can, once it is off the runqueue.
 *
 * It is also the truth when a donor takes its time back: rq->curr runs on,
 * for itself, until it is rescheduled.
 */
static void proxy_reset_donor(struct rq *rq)
{
	struct task_struct *curr = rcu_dereference_protected(rq->curr, 1);
	struct task_struct *donor = rq->donor;

	lockdep_assert_rq_held(rq);

	proxy_set_waiter(rq, NULL);
	if (donor == curr)
		return;

	/* sched_ext wants to know what comes next when a task is put. */
	SCHED_WARN_ON(!proxy_class(donor->sched_class));

	donor->dl_server = NULL;
	put_prev_task(rq, donor);
	rq_set_donor(rq, curr);
	set_next_task(rq, curr);
}

/*
 * RT and deadline tasks that can be pushed are listed when they are put, but
 * not while they are blocked.
 */
static void proxy_set_pushable(struct rq *rq, struct task_struct *p, bool pushable)
{
#ifdef CONFIG_SMP
	if (p->sched_class == &rt_sched_class) {
		if (!pushable)
			dequeue_pushable_task(rq, p);
		else if (p->nr_cpus_allowed > 1)
			enqueue_pushable_task(rq, p);
	} else if (p->sched_class == &dl_sched_class) {
		dequeue_pushable_dl_task(rq, p);
		if (pushable && p->nr_cpus_allowed > 1 && on_dl_rq(&p->dl))
			enqueue_pushable_dl_task(rq, p);
	}
#endif
}

/*
 * While it is blocked, a task counts in rq->nr_running. Keep the load average
 * what it would be: add the task to those that sleep but count as load only
 * when it leaves the runqueue, and take off now what should not count at all.
 * Waiting for I/O is not visible from the runqueue and is counted right away.
 */
static void proxy_mark(struct rq *rq, struct task_struct *p)
{
	p->proxy.walk = 0;
	WRITE_ONCE(p->proxy.blocked, true);
	rq->proxy_blocked++;
	rq->proxy_work = true;
	/* Listed if it was not running on its own time */
	proxy_set_pushable(rq, p, false);
	if (!p->sched_contributes_to_load)
		rq->nr_uninterruptible--;
	if (p->in_iowait) {
		atomic_inc(&rq->nr_iowait);
		delayacct_blkio_start();
	}
}

static void proxy_unmark(struct rq *rq, struct task_struct *p)
{
	/* With its last link gone, the chain ends in the donor for now. */
	if (rq->proxy_waiter == p)
		WRITE_ONCE(rq->proxy_waiter, rq->donor);

	WRITE_ONCE(p->proxy.blocked, false);
	rq->proxy_blocked--;
	if (!p->sched_contributes_to_load)
		rq->nr_uninterruptible++;
	if (p->in_iowait)
		atomic_dec(&rq->nr_iowait);
}

/*
 * @p becomes an ordinary runnable task, where it is.
 */
static void proxy_unblock(struct rq *rq, struct task_struct *p)
{
	proxy_unmark(rq, p);
	if (p->in_iowait)
		delayacct_blkio_end(p);

	/* rq->curr has not left the CPU yet, for the statistics. */
	if (!task_current(rq, p)) {
		psi_enqueue(p, ENQUEUE_WAKEUP);
		sched_info_enqueue(rq, p);
	}

	/* As for any wakeup: it has been off the CPU by its own will. */
	p->rt.timeout = 0;

	/* The donor gets there by put_prev_task(). */
	if (!task_current_donor(rq, p))
		proxy_set_pushable(rq, p, true);
}

/*
 * @p leaves the runqueue and becomes an ordinary sleeper. Must not be
 * referenced after this, see __block_task().
 */
static void proxy_dequeue(struct rq *rq, struct task_struct *p, int flags)
{
	if (p == rq->donor) {
		/*
		 * For a task that leaves the CPU ->balance() looks for another
		 * to pull. It does not get to see this one leave.
		 */
		if (!task_current(rq, p) && p->sched_class != &fair_sched_class)
			rq->proxy_pull = true;
		proxy_reset_donor(rq);
	}
	proxy_unmark(rq, p);
	proxy_dequeued(p);

	if (dequeue_task(rq, p, DEQUEUE_SLEEP | DEQUEUE_NOCLOCK | flags))
		__block_task(rq, p);
}

/*
 * @p leaves the runqueue for its owner, wherever that is. This continues after
 * the switch, see proxy_balance(). The higher @pos, the sooner.
 */
static void proxy_leave(struct rq *rq, struct task_struct *p, int pos)
{
	if (IS_ENABLED(CONFIG_SMP))
		proxy_post(rq, p, -pos);
	else
		proxy_count_degraded(p, PROXY_DEGRADED_BUSY);
	proxy_dequeue(rq, p, DEQUEUE_SPECIAL);
}

void __proxy_demote(struct rq *rq, struct task_struct *p, enum proxy_stat why)
{
	lockdep_assert_rq_held(rq);

	/* Nobody looks into the outbox any more. */
	if (why == PROXY_PLACED_ANEW && !cpu_active(cpu_of(rq)))
		why = PROXY_DEGRADED_HOTPLUG;

	proxy_update_rq_clock(rq);

	/* Without this link somebody else may have to run, or nobody. */
	if (proxy_on_chain(rq, p))
		resched_curr(rq);

	proxy_count_degraded(p, why);
	if (why == PROXY_PLACED_ANEW) {
		proxy_post(rq, p, 0);
		resched_curr(rq);
	} else {
		proxy_let_go(p, why);
	}
	proxy_dequeue(rq, p, DEQUEUE_SPECIAL);
}

/*
 * @p changes to sched_ext, which can have neither donors nor owners that run
 * on a donor's time: the BPF scheduler sees tasks to dispatch, and would move
 * them.
 */
void __proxy_class_change(struct rq *rq, struct task_struct *p)
{
	lockdep_assert_rq_held(rq);

	proxy_demote(rq, p, PROXY_DEGRADED_CLASS);
	if (!task_current(rq, p) || task_current_donor(rq, p))
		return;

	proxy_update_rq_clock(rq);
	proxy_reset_donor(rq);
	resched_curr(rq);
}

/*
 * @p is parked, and what was good enough for its owner need not be any more.
 * As its rq->lock is held it is placed anew the way that one is that leaves.
 */
void __proxy_prio_changed(struct rq *rq, struct task_struct *p)
{
	struct sched_proxy_queue *q = READ_ONCE(p->proxy.queue);

	lockdep_assert_rq_held(rq);

	if (!q || q->outbox || !cpu_active(cpu_of(rq)) || !proxy_take(p, q))
		return;
	proxy_count_degraded(p, PROXY_PLACED_ANEW);
	proxy_post(rq, p, 0);
	resched_curr(rq);
}

/*
 * A wakeup finds @p queued but blocked. The donor that this CPU has picked
 * goes on right here, and at once: nothing would otherwise tell rq->curr to
 * stop, because the class compares with the donor, which is @p itself. Any
 * other is woken in full, to be placed like every woken task.
 *
 * Return: true if @p was taken off the runqueue and has yet to be woken.
 */
bool __proxy_wake(struct rq *rq, struct task_struct *p)
{
	lockdep_assert_rq_held(rq);

	proxy_count(PROXY_WOKEN);
	trace_sched_proxy_unblock(p, PROXY_WOKEN);

	/* In the middle of its __schedule(), race (a) */
	if (task_current(rq, p)) {
		proxy_unblock(rq, p);
		return false;
	}

	if (proxy_on_chain(rq, p))
		resched_curr(rq);

	if (task_current_donor(rq, p) && p->proxy.home < 0) {
		proxy_unblock(rq, p);
		proxy_reset_donor(rq);
		resched_curr(rq);
		smp_mb(); /* see proxy_stands() */
		if (proxy_has_donors(p))
			__proxy_note(rq, p);
		return false;
	}

	proxy_dequeue(rq, p, DEQUEUE_SPECIAL);
	return true;
}

static enum lock_owner_state blocked_on_owner(unsigned long word,
					      struct task_struct **owner)
{
	void *lock = (void *)(word & ~BLOCKED_ON_TYPE_MASK);

	switch (word & BLOCKED_ON_TYPE_MASK) {
	case BLOCKED_ON_MUTEX:
		return mutex_lock_owner(lock, owner);
	case BLOCKED_ON_RWSEM:
		return rwsem_lock_owner(lock, owner);
	}

	return LOCK_OWNER_UNKNOWN;
}

/*
 * Who owns the lock that @p waits for, if anybody can be named? @p cannot run
 * meanwhile. It can be looked at until interrupts are back on.
 */
static struct task_struct *proxy_named_owner(struct task_struct *p)
{
	struct task_struct *owner;
	enum lock_owner_state state;

	lockdep_assert_irqs_disabled();

	state = blocked_on_owner(READ_ONCE(p->blocked_on), &owner);
	return state == LOCK_OWNED || state == LOCK_HANDED ? owner : NULL;
}

/**
 * DOC: Proxy execution: is the owner queued on this runqueue?
 *
 * ::
 *
 *   here				elsewhere
 *   ----				---------
 *   [R1] ACQUIRE owner->on_rq		[W1] owner->on_rq = MIGRATING or 0
 *   [R2] task_cpu(owner)		     smp_wmb()	__set_task_cpu()
 *	  smp_rmb()			[W2] task_cpu(owner) = cpu
 *   [R3] owner->on_rq			     smp_wmb()	activate_task()
 *					[W3] owner->on_rq = QUEUED
 *
 * [W3] is done under the lock of the runqueue it is for. If that is @rq, the
 * lock, which is held here, makes all of it visible, and stable. Forbidden is
 * that R1 and R3 read QUEUED and R2 this CPU, while the owner is not queued
 * here. QUEUED in R1 is then from another runqueue. It comes with the CPU of
 * that one, by W2-W3 and R1-R2, so what R2 saw is later: from a move to here
 * that waits for our lock before its W3. R3 sees its W1, by W1-W2 and R2-R3.
 *
 * That the owner belonged to @rq when the lock was taken is not enough: without
 * that lock, under its pi_lock alone, a wakeup takes it to another runqueue.
 */
static bool proxy_owner_here(struct rq *rq, struct task_struct *owner)
{
	if (smp_load_acquire(&owner->on_rq) != TASK_ON_RQ_QUEUED)	/* [R1] */
		return false;
	if (task_cpu(owner) != cpu_of(rq))				/* [R2] */
		return false;
	smp_rmb();				/* pairs with __set_task_cpu() */
	if (READ_ONCE(owner->on_rq) != TASK_ON_RQ_QUEUED)		/* [R3] */
		return false;

	/* Stable from here on */
	return !owner->se.sched_delayed;
}

/*
 * Follow one link: what is @p, which is blocked on @rq, waiting for?
 *
 * Return: PROXY_HOPS if it is @owner, which is queued on @rq; PROXY_UNBLOCKED
 * if @p can have the lock; otherwise the reason why it cannot be served.
 */
static enum proxy_stat proxy_follow(struct rq *rq, struct task_struct *p,
				    struct task_struct **owner)
{
	unsigned long word = READ_ONCE(p->blocked_on);
	enum lock_owner_state state;
	struct task_struct *again;

	state = blocked_on_owner(word, owner);
	for (;;) {
		if (state == LOCK_OWNER_UNKNOWN)
			return PROXY_DEGRADED_UNKNOWN;
		if (state == LOCK_UNOWNED)
			return PROXY_UNBLOCKED;
		if (*owner == p) {
			/* The wakeup of @p waits for rq->lock. */
			if (state == LOCK_HANDED)
				return PROXY_UNBLOCKED;
			/* The shortest cycle: nothing to run for */
			return PROXY_DEGRADED_CYCLE;
		}

		if (!proxy_owner_here(rq, *owner))
			return PROXY_AWAY;
		if (!proxy_class((*owner)->sched_class))
			return PROXY_DEGRADED_CLASS;

		/*
		 * It may have released the lock before it was queued here, but
		 * it cannot do so now. If it has, somebody else may own the
		 * lock meanwhile. Each turn takes a new owner that has run.
		 */
		state = blocked_on_owner(word, &again);
		if ((state == LOCK_OWNED || state == LOCK_HANDED) &&
		    again == *owner)
			return PROXY_HOPS;
		*owner = again;
	}
}

/* @p has parked donors, and is about to wait for a CPU. Is there a @hurry? */
static void proxy_list(struct rq *rq, struct task_struct *p, bool hurry)
{
	lockdep_assert_rq_held(rq);

	if (!p->proxy.listed) {
		p->proxy.listed = true;
		list_add_tail(&p->proxy.pending, &rq->proxy_pending);
	}
	if (hurry && READ_ONCE(p->proxy.urged)) {
		rq->proxy_feed = true;
		rq->proxy_work = true;
	}
}

/* @p has parked donors, and waits for a CPU. Look after them soon. */
void __proxy_note(struct rq *rq, struct task_struct *p)
{
	/*
	 * If it is being switched out, proxy_picked() follows. A task in delayed
	 * dequeue can be moved, but it sleeps.
	 */
	if (task_current(rq, p) || p->se.sched_delayed)
		return;

	proxy_list(rq, p, true);
	if (!READ_ONCE(p->proxy.urged))
		return;
	/* A throttled deadline task can be left on a CPU that is gone. */
	if (cpu_online(cpu_of(rq)))
		resched_curr(rq);
}

/* Not inline, or else activate_task() would not be, with proxy execution off. */
void __proxy_activated(struct rq *rq, struct task_struct *p)
{
	/* With rq->lock taken since @p was last seen asleep */
	smp_mb__after_spinlock();
	if (unlikely(proxy_has_donors(p)))
		__proxy_note(rq, p);
	smp_wmb(); /* task_cpu(p) first, see proxy_owner_here() */
}

static bool proxy_owns(unsigned long word, struct task_struct *owner)
{
	enum lock_owner_state state;
	struct task_struct *now;

	state = blocked_on_owner(word, &now);
	return (state == LOCK_OWNED || state == LOCK_HANDED) && now == owner;
}

/**
 * DOC: Proxy execution: does an owner see who is parked on it when it unlocks?
 *
 * ::
 *
 *   here				owner
 *   ----				-----
 *   add to owner's donors		release the lock, or stop waiting
 *   smp_mb()	proxy_park()		smp_mb()	__sched_proxy_unlock()
 *   who owns the lock?			donors?
 *
 * One of the two sees the other. If it is the owner, it passes them on; if it is
 * the one who parks, it takes the waiter back and looks for the next owner. Who
 * passes them on is in the place of the one who parks, and goes on to the next.
 */

/*
 * Is, or will be, @owner the owner of the lock that @word names, until it looks
 * at its donors in __sched_proxy_unlock()?
 */
static bool proxy_still_owner(unsigned long word, struct task_struct *owner)
{
	/* First, because it is cleared after the owner is set */
	if (READ_ONCE(owner->blocked_on) == word)
		return true;
	smp_rmb(); /* pairs with blocked_on_clear() */

	return proxy_owns(word, owner);
}

/*
 * As proxy_still_owner(), of @owner which was the owner when somebody looked, or
 * which has been @woken to be. One that was not woken and only waits for the lock
 * has been the owner, and is back: it need not see its donors before it gets the
 * lock again.
 */
static bool proxy_stays_owner(unsigned long word, struct task_struct *owner,
			      bool woken)
{
	return woken ? proxy_still_owner(word, owner) : proxy_owns(word, owner);
}

/*
 * Would @p give @owner, or those that @owner waits for, something better than it
 * has? Otherwise it makes no difference before others have had their turn, and
 * whoever looks after it then is early enough.
 */
static bool proxy_improves(struct task_struct *p, struct task_struct *owner)
{
	if (p->prio < owner->prio || READ_ONCE(p->proxy.urged))
		return true;
	/* It can be out of runtime. */
	if (dl_prio(owner->prio))
		return true;
	/* A group has its own share, and its own limit. */
	return task_group(p) != task_group(owner) ||
	       (task_has_idle_policy(owner) && !task_has_idle_policy(p));
}

/*
 * Blocked tasks on one runqueue. When a lock has changed hands, those on the
 * runqueue that wait for it have to leave, in one __schedule() if they are picked
 * one after the other.
 */
#define PROXY_MAX_BLOCKED	32

/* May @p be left, or put, on @rq? As one more, or as who is picked next. */
static bool proxy_room(struct rq *rq, struct task_struct *p)
{
	return rq->proxy_blocked < PROXY_MAX_BLOCKED ||
	       p->prio < rq->donor->prio || READ_ONCE(p->proxy.urged);
}

/*
 * @p, which is parked on @owner, leaves that queue. The others go with @p, which
 * looks for another owner, because this one need not have seen them.
 */
static void __proxy_unpark(struct task_struct *p, struct sched_proxy_queue *q,
			   struct task_struct *owner)
{
	struct sched_proxy_group *group;

	__proxy_take(p, q);
	group = proxy_find_group(q, p->blocked_on);
	if (group && group->owner == owner)
		proxy_bind(group, p);
}

static bool proxy_unpark(struct task_struct *p, struct task_struct *owner)
{
	struct sched_proxy_queue *q = proxy_bucket(READ_ONCE(p->blocked_on));

	guard(raw_spinlock)(&q->lock);

	if (p->proxy.queue != q)
		return false;

	__proxy_unpark(p, q, owner);
	return true;
}

/*
 * Park @p, which is leaving or has left the runqueue, on @owner, which owns the
 * lock or has been @woken to take it.
 *
 * Return: false if that is no longer who owns the lock, or will.
 */
static bool proxy_park(struct task_struct *p, struct task_struct *owner,
		       bool woken, int key)
{
	unsigned long word = READ_ONCE(p->blocked_on);
	struct sched_proxy_queue *q = proxy_bucket(word);
	struct sched_proxy_group *group;
	bool rebound;

	guard(raw_spinlock)(&q->lock);

	/* It has released the lock, and waits for it itself. */
	if (owner->proxy.queue == q && READ_ONCE(owner->blocked_on) == word &&
	    !proxy_owns(word, owner))
		return false;

	group = proxy_find_group(q, word);
	/* An owner that has been is not to take the others away from the next. */
	rebound = group && group->owner != owner;
	if (rebound && !proxy_owns(word, owner))
		return false;
	if (!group) {
		group = &p->proxy.group;
		group->word = word;
		group->owner = NULL;
		group->nr = 0;
		group->nr_urgent = 0;
		plist_head_init(&group->waiters);
		list_add(&group->hashed, &q->groups);
	}
	plist_node_init(&p->proxy.node, key);
	/* What plist_add() would do after some looking around */
	if (!plist_head_empty(&group->waiters) &&
	    plist_last(&group->waiters)->prio == key)
		list_add_tail(&p->proxy.node.node_list, &group->waiters.node_list);
	else
		plist_add(&p->proxy.node, &group->waiters);
	WRITE_ONCE(p->proxy.queue, q);

	smp_mb(); /* proxy.queue before proxy.urged: see proxy_settle() */
	p->proxy.urges = proxy_improves(p, owner);
	group->nr++;
	group->nr_urgent += p->proxy.urges;
	if (likely(proxy_bind(group, owner))) {
		smp_mb(); /* see proxy_settle() and proxy_still_owner() */
		if (likely(proxy_stays_owner(word, owner, woken)))
			return true;
	} else if (proxy_owns(word, owner)) {
		proxy_drop(group, PROXY_DEGRADED_EXITING);
		return true;
	}

	/* Those that it has had before it passes on by itself. */
	if (rebound)
		__proxy_unpark(p, q, group->owner);
	else
		__proxy_take(p, q);
	return false;
}

/**
 * DOC: Proxy execution: does an owner see who is parked on it when it waits?
 *
 * ::
 *
 *   here				there
 *   ----				-----
 *   add to owner's groups		rq->donor = somebody else
 *   smp_mb()				smp_mb()	proxy_picked()
 *   rq->donor == owner?		groups of the owner?
 *
 *   add to owner's groups		owner->__state = TASK_WAKING
 *   smp_mb()				LOCK rq->lock
 *					smp_mb__after_spinlock()
 *   owner->__state is a sleep?		groups of the owner?	proxy_activated()
 *					owner->on_rq = QUEUED
 *
 * If the first load says that the owner runs, or sleeps, the second one, which
 * comes when it is switched out, or enqueued, sees the donor. A task in delayed
 * dequeue stays on_rq; its wakeup clears sched_delayed first, with a barrier in
 * proxy_undelayed(). The state of a waiter that is enqueued as such does not
 * change, so for that on_rq comes first, with a barrier in proxy_inject(). A
 * donor that is woken where it was picked is not to run at once: __proxy_wake().
 */

/*
 * Will @owner see to its donors when it waits for a CPU? If that is certain
 * proxy_settle() need not wait for rq->lock to find out. A donor was parked on it
 * before, or others passed on, with a barrier in between.
 */
static bool proxy_stands(struct task_struct *owner)
{
	unsigned int state;

	/* Before where and how: see proxy_owner_here() */
	if (smp_load_acquire(&owner->on_rq)) {
		/* A donor that is blocked is not what runs. */
		if (READ_ONCE(cpu_rq(task_cpu(owner))->donor) == owner)
			return !task_is_blocked(owner);
		return READ_ONCE(owner->se.sched_delayed);
	}

	state = READ_ONCE(owner->__state);
	return state != TASK_RUNNING && state != TASK_WAKING;
}

/*
 * @owner is about to run on another CPU. List it there, if this can be done
 * without waiting for the lock, which is against the order.
 */
static bool proxy_note_remote(struct rq *rq, struct task_struct *owner)
{
	struct rq *there = task_rq(owner);
	bool here;

	if (there == rq || !raw_spin_rq_trylock(there))
		return false;
	here = proxy_owner_here(there, owner);
	if (here && !task_current(there, owner))
		proxy_list(there, owner, false);
	raw_spin_rq_unlock(there);
	return here;
}

/*
 * @p blocks on a lock of @owner. Is there nothing that it could give, here and
 * now? Then it is parked. If it could give something elsewhere, or that cannot
 * be told from here, proxy_place() finds out after the switch.
 */
static bool proxy_leaves(struct rq *rq, struct task_struct *p,
			 struct task_struct *owner)
{
	if (proxy_owner_here(rq, owner)) {
		/* Who has lent it the time would have to be looked after, too. */
		if (rq->donor != p ||
		    (proxy_improves(p, owner) && proxy_room(rq, p)) ||
		    !proxy_class(owner->sched_class) ||
		    !proxy_park(p, owner, false, p->prio))
			return false;
		proxy_list(rq, owner, false);
		proxy_count_parked(p, owner, PROXY_PARKED_QUEUED);
		return true;
	}

	if (proxy_park(p, owner, false, p->prio)) {
		bool runs = READ_ONCE(task_rq(owner)->donor) == owner;

		if (proxy_stands(owner) && !READ_ONCE(owner->proxy.queue)) {
			proxy_count_parked(p, owner,
					   runs ? PROXY_PARKED_RUNNING :
						  PROXY_PARKED_ASLEEP);
			return true;
		}
		/* The tick is early enough for this one. */
		if (!READ_ONCE(owner->proxy.urged) && proxy_note_remote(rq, owner)) {
			proxy_count_parked(p, owner, PROXY_PARKED_QUEUED);
			return true;
		}
		/* If it is not there, it is being woken, or placed. */
		if (!proxy_unpark(p, owner)) {
			trace_sched_proxy_leave(p);
			return true;
		}
	}
	proxy_post(rq, p, 0);
	return true;
}

bool __proxy_keep(struct rq *rq, struct task_struct *p, int *flags)
{
	struct task_struct *owner = NULL;
	enum proxy_stat what = PROXY_KEPT;
	enum lock_owner_state state;

	lockdep_assert_rq_held(rq);

	if (!READ_ONCE(proxy_enabled)) {
		proxy_let_go(p, PROXY_DEGRADED_OFF);
		return false;
	}

	state = blocked_on_owner(READ_ONCE(p->blocked_on), &owner);
	if (trace_sched_proxy_block_enabled())
		trace_sched_proxy_block(p, proxy_named_owner(p));

	if (!proxy_class(p->sched_class))
		what = PROXY_DEGRADED_CLASS;
	else if (!cpu_active(cpu_of(rq)))
		what = PROXY_DEGRADED_HOTPLUG;
	else if (sched_core_enabled(rq))
		what = PROXY_DEGRADED_CORE;
	else if (READ_ONCE(p->__state) & TASK_FREEZABLE)
		what = PROXY_DEGRADED_ATTR;	/* by the freezer */
	else if (state == LOCK_OWNER_UNKNOWN)
		what = PROXY_DEGRADED_UNKNOWN;

	if (IS_ENABLED(CONFIG_SMP) && what == PROXY_KEPT &&
	    (state == LOCK_OWNED || state == LOCK_HANDED) && owner != p &&
	    proxy_leaves(rq, p, owner)) {
		*flags |= DEQUEUE_SPECIAL;
		return false;
	}

	if (what != PROXY_KEPT) {
		proxy_count_degraded(p, what);
		proxy_let_go(p, what);
		return false;
	}

	proxy_count(what);
	trace_sched_proxy_keep(p);
	proxy_mark(rq, p);
	return true;
}

/*
 * Callbacks queued by the pick that is given up. The next one queues its own,
 * and may drop rq->lock before, which nobody expects with callbacks pending.
 * What sched_ext defers to a callback it can also do from an irq_work.
 */
static void proxy_zap_balance_callbacks(struct rq *rq)
{
#ifdef CONFIG_SMP
	struct balance_callback *next, *head = splice_balance_callbacks(rq);

	for (; head; head = next) {
		next = head->next;
		head->next = NULL;
	}
#endif
#ifdef CONFIG_SCHED_CLASS_EXT
	if (!list_empty(&rq->scx.ddsp_deferred_locals))
		irq_work_queue(&rq->scx.deferred_irq_work);
#endif
}

/*
 * An RT or deadline donor has left the runqueue, see proxy_dequeue(). Only now,
 * because the callbacks are run at the end of this __schedule().
 */
static void proxy_queue_pull(struct rq *rq)
{
#ifdef CONFIG_SMP
	if (!rq->proxy_pull)
		return;

	rt_queue_pull_task(rq);
	deadline_queue_pull_task(rq);
#endif
	rq->proxy_pull = false;
}

/*
 * @p blocks as if there was no proxy execution. If it has just called
 * schedule() that includes delayed dequeue; otherwise it is too late for that.
 */
static void proxy_degrade(struct rq *rq, struct task_struct *p, enum proxy_stat why)
{
	proxy_count_degraded(p, why);
	proxy_let_go(p, why);
	proxy_dequeue(rq, p, task_current(rq, p) ? 0 : DEQUEUE_SPECIAL);
}

/*
 * The chain from @next ends in @p without a task to run here. All of it leaves:
 * @p is an ordinary sleeper from now on if there is a reason @why, and the
 * others wait for what has left.
 */
static struct task_struct *proxy_give_up(struct rq *rq, struct task_struct *next,
					 struct task_struct *p, enum proxy_stat why)
{
	struct task_struct *owner;
	int pos = 0;

	proxy_set_waiter(rq, NULL);

	for (; next != p; next = owner) {
		blocked_on_owner(READ_ONCE(next->blocked_on), &owner);
		proxy_leave(rq, next, pos++);
	}
	if (why == PROXY_AWAY)
		proxy_leave(rq, p, pos);
	else
		proxy_degrade(rq, p, why);

	proxy_zap_balance_callbacks(rq);
	return NULL;
}

/*
 * A cycle of blocked tasks is a deadlock, and without this line nobody would
 * know before the hung task detector. printk() itself could wake a task, which
 * takes rq->lock.
 */
static void proxy_report_cycle(struct task_struct *p, struct task_struct *owner)
{
	static struct ratelimit_state rs =
		RATELIMIT_STATE_INIT_FLAGS(rs, 5 * HZ, 3, RATELIMIT_MSG_ON_RELEASE);

	trace_sched_proxy_cycle(p, owner);
	if (__ratelimit(&rs))
		printk_deferred(KERN_ERR "sched/proxy: lock cycle: %s/%d waits for %s/%d, and the other way round\n",
				p->comm, task_pid_nr(p),
				owner->comm, task_pid_nr(owner));
}

/*
 * @p waits for @owner, and that closes a cycle. Will one of them give up? All of
 * it is blocked here, and stable.
 */
static bool proxy_backs_off(struct task_struct *p, struct task_struct *owner)
{
	int i;

	for (i = 0; i <= PROXY_MAX_DEPTH && owner; i++) {
		if (READ_ONCE(owner->proxy.backs_off))
			return true;
		if (owner == p)
			break;
		blocked_on_owner(READ_ONCE(owner->blocked_on), &owner);
	}

	return false;
}

/*
 * Follow the chain from *@end for as long as it stays on this runqueue.
 *
 * Return: PROXY_HOPS if *@end, for which *@waiter waits over *@depth links, can
 * run; PROXY_UNBLOCKED if it is blocked, and can have the lock; otherwise the
 * reason why *@end, which is blocked, cannot be served.
 */
static enum proxy_stat proxy_walk(struct rq *rq, struct task_struct **end,
				  struct task_struct **waiter,
				  unsigned int *depth)
{
	struct task_struct *owner, *p = *end;
	enum proxy_stat what;

	*waiter = NULL;
	*depth = 0;
	rq->proxy_walk++;
	do {
		p->proxy.walk = rq->proxy_walk;

		what = proxy_follow(rq, p, &owner);
		/* It cannot run here, or it would be at home. */
		if (what == PROXY_UNBLOCKED && p->proxy.home >= 0)
			what = PROXY_AWAY;
		if (what == PROXY_HOPS && ++*depth > PROXY_MAX_DEPTH)
			what = PROXY_DEGRADED_DEPTH;
		if (what == PROXY_HOPS && task_is_blocked(owner) &&
		    owner->proxy.walk == rq->proxy_walk)
			what = PROXY_DEGRADED_CYCLE;
		if (what == PROXY_DEGRADED_CYCLE && proxy_backs_off(p, owner))
			what = PROXY_DEGRADED_BUSY;
		if (what == PROXY_DEGRADED_CYCLE)
			proxy_report_cycle(p, owner);
		if (what != PROXY_HOPS)
			break;

		*waiter = p;
		p = owner;
	} while (task_is_blocked(p));

	*end = p;
	return what;
}

/**
 * __find_proxy_task - find the task to run for a donor
 * @rq: this CPU's runqueue
 * @next: the task that was picked, and becomes rq->donor
 *
 * Follows the chain from @next if it is blocked, and records in
 * rq->proxy_waiter on whose behalf the task at its end runs.
 *
 * Context: __schedule(), rq->lock held, clock updated. Does not drop the lock.
 *
 * Return: the task to run; %NULL if tasks were taken off the runqueue, and the
 * pick must be repeated.
 *
 * The walk is that of the proxy execution patches of Peter Zijlstra and their
 * successors, but for the locking.
 */
struct task_struct *__find_proxy_task(struct rq *rq, struct task_struct *next)
{
	struct task_struct *waiter, *p = next;
	bool same_donor = rq->donor == next;
	enum proxy_stat what;
	unsigned int depth;

	lockdep_assert_rq_held(rq);

	rq_set_donor(rq, next);
	if (!rq->proxy_waiter && !rq->proxy_pull && !task_is_blocked(next))
		return next;

	/*
	 * With the donor unchanged the pick has not told the class anything,
	 * but who runs is about to change: have it look for tasks to push. The
	 * account is up to date, see proxy_update_curr().
	 */
	if (same_donor && (next->sched_class == &rt_sched_class ||
			   next->sched_class == &dl_sched_class)) {
		put_prev_task(rq, next);
		next->sched_class->set_next_task(rq, next, true);
	}

	if (!task_is_blocked(next)) {
		proxy_set_waiter(rq, NULL);
		proxy_queue_pull(rq);
		return next;
	}

	/* What kept a task from being left here can have come later, too. */
	if (!proxy_class(next->sched_class))
		return proxy_give_up(rq, next, next, PROXY_DEGRADED_CLASS);
	if (!cpu_active(cpu_of(rq)))
		return proxy_give_up(rq, next, next, PROXY_DEGRADED_HOTPLUG);
	if (sched_core_enabled(rq))
		return proxy_give_up(rq, next, next, PROXY_DEGRADED_CORE);
	if (!READ_ONCE(proxy_enabled))
		return proxy_give_up(rq, next, next, PROXY_DEGRADED_OFF);

	what = proxy_walk(rq, &p, &waiter, &depth);
	if (what == PROXY_UNBLOCKED) {
		proxy_count(what);
		trace_sched_proxy_unblock(p, what);
		proxy_unblock(rq, p);
		/* Not by try_to_wake_up(), see race (b) */
		WRITE_ONCE(p->__state, TASK_RUNNING);
		trace_sched_wakeup(p);
	} else if (what != PROXY_HOPS) {
		return proxy_give_up(rq, next, p, what);
	}

	proxy_queue_pull(rq);
	proxy_set_waiter(rq, waiter);
	if (waiter) {
		proxy_count_donation(next, p, depth);
		trace_sched_proxy_donate(next, p, waiter, depth);
	}

	return p;
}

#ifdef CONFIG_SMP
/* The first task in @q */
static struct task_struct *proxy_first(struct sched_proxy_queue *q)
{
	guard(raw_spinlock)(&q->lock);

	return plist_head_empty(&q->tasks) ? NULL :
	       plist_first_entry(&q->tasks, struct task_struct, proxy.node);
}

/*
 * How often to look again if owners change and move under our eyes. Each time
 * somebody else has got on with it.
 */
#define PROXY_MAX_TRIES		16

/* Donors enqueued for one owner at a time, the best first */
#define PROXY_FEED_BATCH	8

/* Not a counter, and not PROXY_AWAY: things have changed, look again. */
#define PROXY_AGAIN		(NR_PROXY_STATS + 1)

/* Sorts behind all tasks that have time to give, and somebody to give it to */
#define PROXY_KEY_LAST		MAX_PRIO

static DEFINE_PER_CPU(struct balance_callback, proxy_head);

/*
 * Lock the runqueue that @p belongs to, which it can leave at once unless it is
 * queued there: see proxy_owner_here(). Interrupts are off.
 */
static struct rq *proxy_lock_rq(struct task_struct *p, struct rq_flags *rf)
{
	struct rq *rq;

	for (;;) {
		rq = task_rq(p);
		rq_lock(rq, rf);
		if (likely(rq == task_rq(p)))
			return rq;
		rq_unlock(rq, rf);
	}
}

/* What psi_ttwu_dequeue() has taken off lasts while @p sleeps. */
static void proxy_move_psi(struct task_struct *p, struct rq *rq)
{
#ifdef CONFIG_PSI
	int set = 0;

	if (static_branch_likely(&psi_disabled))
		return;
	if (p->in_iowait)
		set |= TSK_IOWAIT;
	if (p->in_memstall)
		set |= TSK_MEMSTALL;
	if (set) {
		guard(rq_lock)(rq);
		psi_task_change(p, 0, set);
	}
#endif
}

/*
 * @p, which sleeps, now belongs to @cpu. This is no migration of what runs: its
 * memory, caches and statistics stay where it ran, and so does the hint where
 * to wake it up.
 */
static void proxy_move(struct task_struct *p, int cpu)
{
	unsigned int state = READ_ONCE(p->__state);
	int wake_cpu = p->wake_cpu;
	struct rq *rq = cpu_rq(cpu);

	lockdep_assert_held(&p->pi_lock);
	SCHED_WARN_ON(p->on_rq || p->on_cpu);

	if (p->in_iowait) {
		atomic_dec(&task_rq(p)->nr_iowait);
		atomic_inc(&rq->nr_iowait);
	}
	psi_ttwu_dequeue(p);

	/* The deadline class wants to be sure that this is like a wakeup. */
	if (p->sched_class == &dl_sched_class)
		WRITE_ONCE(p->__state, TASK_WAKING);
	trace_sched_migrate_task(p, cpu);
	if (p->sched_class->migrate_task_rq)
		p->sched_class->migrate_task_rq(p, cpu);
	__set_task_cpu(p, cpu);
	p->wake_cpu = wake_cpu;
	WRITE_ONCE(p->__state, state);

	proxy_move_psi(p, rq);
	if (p->sched_class == &dl_sched_class) {
		guard(rq_lock)(rq);
		add_rq_bw(&p->dl, &rq->dl);
	}
}

/* @p goes to @cpu for a while. Remember where it belongs. */
static void proxy_carry(struct task_struct *p, int cpu)
{
	int home = p->proxy.home < 0 ? task_cpu(p) : p->proxy.home;

	proxy_move(p, cpu);
	p->proxy.home = cpu == home ? -1 : home;
}

/* Has the group of @p used up what it may run on @rq? */
static bool proxy_throttled(struct rq *rq, struct task_struct *p)
{
#ifdef CONFIG_CFS_BANDWIDTH
	return p->sched_class == &fair_sched_class &&
	       task_group(p)->cfs_rq[cpu_of(rq)]->throttle_count;
#else
	return false;
#endif
}

/* Can @p be enqueued on @rq, to give its time to @owner? */
static enum proxy_stat proxy_may_inject(struct rq *rq, struct task_struct *p,
					struct task_struct *owner)
{
	if (!proxy_class(p->sched_class) || !proxy_class(owner->sched_class))
		return PROXY_DEGRADED_CLASS;
	if (!cpu_active(cpu_of(rq)))
		return PROXY_DEGRADED_HOTPLUG;
	if (sched_core_enabled(rq))
		return PROXY_DEGRADED_CORE;
	/* Bandwidth is admitted by root domain. */
	if (p->sched_class == &dl_sched_class && task_rq(p)->rd != rq->rd)
		return PROXY_DEGRADED_ATTR;
	/* It can still be a link for those that wait for it. */
	if (proxy_throttled(rq, p) && !proxy_has_donors(p))
		return PROXY_THROTTLED;
	if (!proxy_room(rq, p))
		return PROXY_PARKED_QUEUED;

	return PROXY_INJECTED;
}

/*
 * Enqueue @p, which sleeps, as a blocked task where its owner is.
 */
static void proxy_inject(struct rq *rq, struct task_struct *p)
{
	int flags = ENQUEUE_WAKEUP | ENQUEUE_NOCLOCK;

	lockdep_assert_held(&p->pi_lock);
	lockdep_assert_rq_held(rq);
	SCHED_WARN_ON(p->on_rq || p->on_cpu || task_rq(p) != rq);

	proxy_count(PROXY_INJECTED);
	if (trace_sched_proxy_inject_enabled())
		trace_sched_proxy_inject(p, proxy_named_owner(p), cpu_of(rq));
	if (p->proxy.home >= 0) {
		proxy_count(PROXY_MIGRATED);
		trace_sched_proxy_migrate(p, p->proxy.home, cpu_of(rq));
		/* For the deadline class, proxy_move() has done it. */
		if (p->sched_class != &dl_sched_class)
			flags |= ENQUEUE_MIGRATED;
	} else if (!cpumask_test_cpu(cpu_of(rq), p->cpus_ptr)) {
		/* It has lost its home here since it blocked. */
		p->proxy.home = cpumask_any(p->cpus_ptr);
	}

	p->proxy.walk = 0;
	WRITE_ONCE(p->proxy.blocked, true);
	rq->proxy_blocked++;
	rq->proxy_work = true;
	/* Taken back if it contributes to load, or in advance, see proxy_mark() */
	rq->nr_uninterruptible--;

	update_rq_clock(rq);
	enqueue_task(rq, p, flags);
	smp_wmb(); /* as in proxy_activated() */
	WRITE_ONCE(p->on_rq, TASK_ON_RQ_QUEUED);
	/* Its state does not change, so only now: see proxy_stands() */
	smp_mb();
	if (proxy_has_donors(p))
		__proxy_note(rq, p);

	wakeup_preempt(rq, p, WF_DONOR);
}

/**
 * DOC: Proxy execution: an owner that is enqueued while one is parked on it
 *
 * ::
 *
 *   here				enqueue of the owner
 *   ----				--------------------
 *   [P1] add to owner's donors		[E1] task_cpu(owner) = cpu, if it changes
 *	  smp_mb()			     LOCK rq(cpu)->lock
 *					     smp_mb__after_spinlock()
 *   [P2] task_cpu(owner)		[E2] donors of the owner?
 *   [P3] LOCK rq(cpu)->lock		[E3] owner->on_rq = QUEUED
 *   [P4] owner->on_rq			     UNLOCK rq(cpu)->lock
 *
 * If E2 has missed P1, P2 sees E1, and P3 waits for E3: the owner is found
 * queued. Otherwise E2 has seen to it.
 */

/*
 * A donor was parked on @owner without rq->lock of its runqueue, or while it
 * was on none. List it there if it waits for a CPU.
 */
static void proxy_settle(struct task_struct *owner)
{
	struct sched_proxy_group *group;
	struct sched_proxy_queue *q;
	struct rq_flags rf;
	struct rq *rq;
	int i;

	for (i = 0; i < PROXY_MAX_DEPTH; i++) {
		bool here;

		rq = proxy_lock_rq(owner, &rf);
		here = proxy_owner_here(rq, owner);
		if (here)
			__proxy_note(rq, owner);
		rq_unlock(rq, &rf);

		/* If it is parked, those that it waits for are in a hurry now. */
		q = READ_ONCE(owner->proxy.queue);
		if (here || !READ_ONCE(owner->proxy.urged) || !q || q->outbox)
			return;

		guard(raw_spinlock)(&q->lock);
		if (owner->proxy.queue != q)
			return;
		group = proxy_find_group(q, owner->blocked_on);
		/* About to be woken: see proxy_pass_on() */
		if (group->owner == owner)
			return;
		group->nr_urgent += !owner->proxy.urges;
		owner->proxy.urges = true;
		owner = group->owner;
		if (!owner)
			return;
		WRITE_ONCE(owner->proxy.urged, true);
		smp_mb(); /* urged before where it is: [P1] and [P2] */
	}
}

/*
 * Does @p wait for a lock that it owns itself, by way of others, all of them
 * parked, and none about to give up? @trace is another if the way is another, or
 * if somebody on it has run in between.
 *
 * Return: the owner that @p waits for, or %NULL.
 */
static struct task_struct *proxy_waits_for(struct task_struct *p,
					   unsigned long *trace)
{
	struct task_struct *next, *owner = p, *first = NULL;
	enum lock_owner_state state;
	struct sched_proxy_queue *q;
	int i;

	/* Keeps who is looked at, see delayed_put_task_struct() */
	lockdep_assert_irqs_disabled();

	*trace = 0;
	for (i = 0; i < PROXY_MAX_DEPTH; i++) {
		/* Waits until it is where it is being taken. */
		guard(raw_spinlock)(&owner->pi_lock);
		q = READ_ONCE(owner->proxy.queue);
		if (!q || q->outbox || READ_ONCE(owner->proxy.backs_off))
			return NULL;
		/* Not @q: it can be parked on who does not own the lock yet. */
		state = blocked_on_owner(READ_ONCE(owner->blocked_on), &next);
		if (state != LOCK_OWNED)
			return NULL;
		*trace = hash_long(*trace + (unsigned long)owner, BITS_PER_LONG) +
			 READ_ONCE(owner->nvcsw) + READ_ONCE(owner->nivcsw);
		first = first ?: next;
		if (next == p)
			return first;
		owner = next;
	}

	return NULL;
}

/*
 * A deadlock of parked tasks will not be found by a walk. The links are read one
 * after the other, and need not have existed at the same time. But if a second
 * look shows the same, and nobody has run since the first, all of them existed
 * between the two: that is a deadlock. It stands still. Each of its tasks was
 * parked before it was seen whether the owner is, so at least the last one is
 * sent here; and what it sees waits for those that are still being parked.
 *
 * Return: the owner that @p waits for if it is one, or %NULL.
 */
static struct task_struct *proxy_parked_cycle(struct task_struct *p)
{
	struct task_struct *owner, *again;
	unsigned long before, after;

	owner = proxy_waits_for(p, &before);
	if (!owner)
		return NULL;
	again = proxy_waits_for(p, &after);

	return owner == again && before == after ? owner : NULL;
}

/*
 * One attempt to find a place for @p, which is neither queued nor parked.
 * Return: what became of it; PROXY_AGAIN if things have changed meanwhile.
 */
static enum proxy_stat proxy_try_place(struct task_struct *p,
				       struct task_struct *hint)
{
	bool wait = !hint;
	unsigned long word = READ_ONCE(p->blocked_on);
	enum proxy_stat what, late = PROXY_PARKED_QUEUED;
	enum lock_owner_state state;
	struct task_struct *owner;
	bool queued, settle = true;
	bool woken = false;
	bool hurry = true;
	int key = p->prio;
	struct rq_flags rf;
	struct rq *rq;

	if (!READ_ONCE(proxy_enabled))
		return PROXY_DEGRADED_OFF;

	state = blocked_on_owner(word, &owner);
	switch (state) {
	case LOCK_OWNED:
		if (owner == p)
			return PROXY_DEGRADED_CYCLE;
		break;
	case LOCK_HANDED:
		if (owner == p)
			return PROXY_UNBLOCKED;
		break;
	case LOCK_UNOWNED:
	case LOCK_OWNER_UNKNOWN:
		/* Somebody was woken to take it. */
		owner = hint;
		woken = true;
		if (owner && owner != p && READ_ONCE(owner->blocked_on) == word)
			break;
		return state == LOCK_UNOWNED ? PROXY_UNBLOCKED :
					       PROXY_DEGRADED_UNKNOWN;
	}

	rq = proxy_lock_rq(owner, &rf);
	queued = proxy_owner_here(rq, owner);
	if (queued && !task_current(rq, owner) && state != LOCK_OWNER_UNKNOWN &&
	    (!wait || proxy_improves(p, owner))) {
		/* From here on it cannot release the lock. */
		what = proxy_stays_owner(word, owner, woken) ?
		       proxy_may_inject(rq, p, owner) : PROXY_AGAIN;
		if (what == PROXY_INJECTED && task_rq(p) != rq) {
			rq_unlock(rq, &rf);
			proxy_carry(p, cpu_of(rq));
			return PROXY_AGAIN;
		}
		if (what == PROXY_INJECTED)
			proxy_inject(rq, p);
		if (what != PROXY_THROTTLED && what != PROXY_PARKED_QUEUED) {
			rq_unlock(rq, &rf);
			return what;
		}
		hurry = false;
		late = what;
		if (late == PROXY_THROTTLED)
			key = PROXY_KEY_LAST;
	} else if (queued && state == LOCK_OWNER_UNKNOWN) {
		hurry = false;
		key = PROXY_KEY_LAST;
	}

	if (!proxy_park(p, owner, woken, key)) {
		rq_unlock(rq, &rf);
		return PROXY_AGAIN;
	}
	if (queued) {
		settle = false;
		if (task_current(rq, owner)) {
			what = PROXY_PARKED_RUNNING;
		} else {
			what = late;
			proxy_list(rq, owner, hurry);
			if (p->proxy.urges && hurry)
				resched_curr(rq);
		}
	} else if (task_on_rq_migrating(owner)) {
		what = PROXY_PARKED_MIGRATING;
	} else {
		what = PROXY_PARKED_ASLEEP;
	}
	rq_unlock(rq, &rf);

	if (settle)
		proxy_settle(owner);
	/* After the barrier in proxy_park(), see proxy_parked_cycle() */
	if (what == PROXY_PARKED_ASLEEP && READ_ONCE(owner->proxy.queue))
		what = PROXY_PARKED_BLOCKED;

	return what;
}

/* Whom @p, which sleeps, is parked on */
static struct task_struct *proxy_parked_on(struct task_struct *p)
{
	unsigned long word = READ_ONCE(p->blocked_on);
	struct sched_proxy_queue *q = proxy_bucket(word);
	struct sched_proxy_group *group;

	lockdep_assert_held(&p->pi_lock);

	guard(raw_spinlock)(&q->lock);
	group = p->proxy.queue == q ? proxy_find_group(q, word) : NULL;
	return group ? group->owner : NULL;
}

/* What has become of @p. It can be woken as soon as its pi_lock is released. */
static void proxy_count_placed(struct task_struct *p, enum proxy_stat what)
{
	if (what == PROXY_INJECTED)
		return;

	proxy_count(what);
	if (what == PROXY_UNBLOCKED)
		trace_sched_proxy_unblock(p, what);
	else if (what >= PROXY_DEGRADED_UNKNOWN)
		trace_sched_proxy_degrade(p, what);
	else if (trace_sched_proxy_park_enabled())
		trace_sched_proxy_park(p, proxy_parked_on(p), what);
}

/*
 * Take @p from @q, and go on with it where its owner is: enqueue it there if
 * the owner waits for a CPU, park it if not. @hint is the task that was woken
 * to be the owner, if nobody is.
 *
 * Context: interrupts off, no scheduler lock held.
 *
 * Return: what became of it.
 */
static enum proxy_stat proxy_place(struct task_struct *p,
				   struct sched_proxy_queue *q,
				   struct task_struct *hint)
{
	struct task_struct *owner;
	enum proxy_stat what;
	unsigned long word;
	int tries = 0;

	lockdep_assert_irqs_disabled();

	raw_spin_lock(&p->pi_lock);
	if (!proxy_take(p, q)) {
		/* Woken */
		raw_spin_unlock(&p->pi_lock);
		return PROXY_AGAIN;
	}
	/* It can have been parked in the middle of its __schedule(). */
	smp_cond_load_acquire(&p->on_cpu, !VAL);

	do {
		what = proxy_try_place(p, hint);
	} while (what == PROXY_AGAIN && ++tries < PROXY_MAX_TRIES);
	if (what == PROXY_AGAIN)
		what = PROXY_DEGRADED_BUSY;

	/* Off the runqueues a task belongs to where it ran. */
	if (what != PROXY_INJECTED && p->proxy.home >= 0)
		proxy_carry(p, p->proxy.home);
	word = READ_ONCE(p->blocked_on);
	proxy_count_placed(p, what);
	raw_spin_unlock(&p->pi_lock);

	/* It sleeps, and those that went with it must not depend on that. */
	if (what >= PROXY_DEGRADED_UNKNOWN && proxy_has_donors(p))
		proxy_pass_on(word, p, NULL);
	if (what == PROXY_DEGRADED_CYCLE)
		proxy_report_cycle(p, p);
	owner = what == PROXY_PARKED_BLOCKED ? proxy_parked_cycle(p) : NULL;
	if (owner) {
		proxy_count_degraded(p, PROXY_DEGRADED_CYCLE);
		proxy_report_cycle(p, owner);
	}
	if (what == PROXY_UNBLOCKED)
		wake_up_state(p, TASK_NORMAL);

	return what;
}

/*
 * The waiter to start with of those that are parked on @owner because of @word: one
 * that is in a hurry, if there is any, or else the best.
 */
static struct task_struct *proxy_best(struct task_struct *owner, unsigned long word,
				      bool *urges)
{
	struct sched_proxy_queue *q = proxy_bucket(word);
	struct sched_proxy_group *group;
	struct task_struct *p;

	guard(raw_spinlock)(&q->lock);
	group = proxy_find_group(q, word);
	*urges = group && group->owner == owner && group->nr_urgent;
	if (!group || group->owner != owner)
		return NULL;
	if (*urges) {
		plist_for_each_entry(p, &group->waiters, proxy.node) {
			if (p->proxy.urges)
				return p;
		}
	}
	return proxy_group_first(group);
}

/*
 * @owner waits for a CPU. Let the best waiter of each of its locks compete for
 * one, and all that are in a hurry. Others follow with the next tick, if that is
 * not enough.
 *
 * Return: true if some that are in a hurry are left.
 */
static bool proxy_feed(struct task_struct *owner)
{
	bool urges, hurry = false, progress = false;
	struct task_struct *p, *back = NULL;
	unsigned long word, first = 0;
	int i;

	for (i = 0; i < PROXY_FEED_BATCH; i++) {
		word = proxy_held_word(owner);
		if (!word)
			return false;
		/* All of them had a turn, and nobody was in a hurry. */
		if (word == first && !hurry)
			return false;
		p = proxy_best(owner, word, &urges);
		hurry = urges || (hurry && word != first);
		first = first ?: word;
		if (!p)
			continue;
		if (p == back)
			return false;
		if (proxy_place(p, proxy_bucket(word), owner) == PROXY_INJECTED)
			progress = true;
		else	/* Back where it was: no time to give */
			back = back ?: p;
	}

	return hurry && progress;
}

/* Is @p, which is listed here, something else than queued here? */
static bool proxy_misplaced(struct rq *rq, struct task_struct *p)
{
	bool bad = task_rq(p) != rq || !task_on_rq_queued(p) || p->se.sched_delayed;

	WARN_ONCE(bad, "sched/proxy: %s/%d is on_rq %d, delayed %d, on_cpu %d, on CPU %d, not %d\n",
		  p->comm, task_pid_nr(p), p->on_rq, p->se.sched_delayed,
		  p->on_cpu, task_cpu(p), cpu_of(rq));
	return bad;
}

/*
 * After the switch: those that have left this runqueue go on, and those that
 * are parked on a task that still waits for this CPU are enqueued. Runs with
 * rq->lock held, and drops it: locks of a task come first.
 */
static void proxy_balance(struct rq *rq)
{
	struct task_struct *p;
	bool more = false;
	LIST_HEAD(todo);

	raw_spin_rq_unlock(rq);
	while ((p = proxy_first(&rq->proxy_outbox)))
		proxy_place(p, &rq->proxy_outbox, NULL);
	raw_spin_rq_lock(rq);

	if (!rq->proxy_feed)
		return;
	rq->proxy_feed = false;

	list_splice_init(&rq->proxy_pending, &todo);
	while (!list_empty(&todo)) {
		p = list_first_entry(&todo, struct task_struct, proxy.pending);
		if (proxy_misplaced(rq, p) || !proxy_has_donors(p)) {
			proxy_dequeued(p);
			continue;
		}
		list_move_tail(&p->proxy.pending, &rq->proxy_pending);

		raw_spin_rq_unlock(rq);
		more |= proxy_feed(p);
		raw_spin_rq_lock(rq);
	}
	if (more) {
		rq->proxy_feed = true;
		rq->proxy_work = true;
		resched_curr(rq);
	}
}

static void proxy_after_switch(struct rq *rq)
{
	struct task_struct *p, *n;

	/* No callbacks any more: what has left this CPU sleeps. */
	if (unlikely(rq->balance_callback == &balance_push_callback)) {
		guard(raw_spinlock)(&rq->proxy_outbox.lock);
		plist_for_each_entry_safe(p, n, &rq->proxy_outbox.tasks, proxy.node) {
			proxy_count_degraded(p, PROXY_DEGRADED_HOTPLUG);
			proxy_let_go(p, PROXY_DEGRADED_HOTPLUG);
			__proxy_take(p, &rq->proxy_outbox);
		}
		return;
	}

	if (rq->proxy_feed || !plist_head_empty(&rq->proxy_outbox.tasks))
		queue_balance_callback(rq, &per_cpu(proxy_head, cpu_of(rq)),
				       proxy_balance);
}

/*
 * A wakeup finds @p where it was carried to. The one way home: from here on it
 * is placed like every woken task.
 */
static void proxy_return(struct task_struct *p)
{
	lockdep_assert_held(&p->pi_lock);

	proxy_count(PROXY_RETURNED);
	trace_sched_proxy_return(p, task_cpu(p), p->proxy.home);
	proxy_carry(p, p->proxy.home);
}

/*
 * @from has released the lock that @word names, or given up waiting for it, or
 * waits in a way that helps nobody. Those that are parked on it because of that
 * go on to the owner; or, while there is none, to @next, which is woken to be the
 * one, or else to the best of them, which has to look for itself.
 */
static void proxy_pass_on(unsigned long word, struct task_struct *from,
			  struct task_struct *next)
{
	struct sched_proxy_queue *q = proxy_bucket(word);
	struct task_struct *owner, *wake;
	struct sched_proxy_group *group;
	int tries;

	guard(irqsave)();
	scoped_guard(raw_spinlock, &q->lock) {
		for (tries = 0; tries < PROXY_MAX_TRIES; tries++) {
			/* As long as somebody waits for it the lock exists. */
			group = proxy_find_group(q, word);
			if (!group || group->owner != from)
				return;

			/* The likely case first */
			owner = tries || next == from ? NULL : next;
			wake = NULL;
			switch (owner ? LOCK_OWNED : blocked_on_owner(word, &owner)) {
			case LOCK_UNOWNED:
				wake = proxy_group_first(group);
				owner = wake;
				break;
			case LOCK_OWNER_UNKNOWN:
				proxy_drop(group, PROXY_DEGRADED_UNKNOWN);
				return;
			default:
				break;
			}

			if (!group->nr_urgent) {
				struct task_struct *p = proxy_group_first(group);

				p->proxy.urges = proxy_improves(p, owner);
				group->nr_urgent += p->proxy.urges;
			}
			if (!proxy_bind(group, owner)) {
				proxy_drop(group, PROXY_DEGRADED_EXITING);
				return;
			}
			proxy_count(PROXY_REPARKED);
			trace_sched_proxy_pass(word, from, owner);

			smp_mb(); /* see proxy_settle() and proxy_still_owner() */
			if (proxy_stays_owner(word, owner,
					      owner == next || owner == wake))
				break;
			from = owner;
		}
		if (tries == PROXY_MAX_TRIES) {
			proxy_drop(group, PROXY_DEGRADED_BUSY);
			return;
		}
	}

	if (wake)
		wake_up_state(wake, TASK_NORMAL);
	else if (!proxy_stands(owner) || READ_ONCE(owner->proxy.queue))
		proxy_settle(owner);
}

#else /* !CONFIG_SMP */

static void proxy_after_switch(struct rq *rq)
{
}

static void proxy_return(struct task_struct *p)
{
}

static void proxy_pass_on(unsigned long word, struct task_struct *from,
			  struct task_struct *next)
{
}

#endif /* CONFIG_SMP */

unsigned long __proxy_picked(struct rq *rq, struct task_struct *prev,
			     struct task_struct *next, unsigned long prev_state)
{
	lockdep_assert_rq_held(rq);

	/* Was it left queued, and woken while the pick had dropped the lock? */
	if (READ_ONCE(prev->__state) == TASK_RUNNING)
		prev_state = TASK_RUNNING;

	if (prev != next && proxy_has_donors(prev) && task_on_rq_queued(prev) &&
	    !prev->se.sched_delayed)
		proxy_list(rq, prev, true);
	if (next->proxy.listed) {
		proxy_dequeued(next);
		sched_update_tick_dependency(rq);
	}
	/* Nobody else can look after them on a CPU that goes idle. */
	rq->proxy_feed |= next == rq->idle;
	rq->proxy_feed &= !list_empty(&rq->proxy_pending);
	rq->proxy_work = rq->proxy_waiter || rq->proxy_blocked || rq->proxy_pull ||
			 rq->proxy_feed;
	proxy_after_switch(rq);
	return prev_state;
}

struct task_struct *__sched_proxy_waiter(unsigned long word)
{
	struct task_struct *waiter = READ_ONCE(this_rq()->proxy_waiter);

	return waiter && READ_ONCE(waiter->blocked_on) == word ? waiter : NULL;
}

void __sched_proxy_handed(unsigned long word, struct task_struct *to)
{
	proxy_count(PROXY_HANDOFFS);
	trace_sched_proxy_handoff(word, current, to);
}

/**
 * __sched_proxy_unlock - a contended lock was released
 * @word: what a waiter of it has in task_struct::blocked_on
 * @next: the waiter that was woken to take it, or %NULL
 *
 * If current runs because rq->donor needed this lock, it has nothing more to
 * do for the donor. The waiter that was woken need not be the one in whose
 * favour current runs, and if it is not, nothing else would stop current from
 * going on in the donor's place. Look again who is to run.
 *
 * Context: any; after the lock was released and with preemption off. If
 * current was preempted in between, that walk has seen the lock released.
 */
void __sched_proxy_unlock(unsigned long word, struct task_struct *next)
{
	struct rq *rq = this_rq();

	smp_mb(); /* see proxy_still_owner() */
	if (proxy_has_donors(current))
		proxy_pass_on(word, current, next);

	if (!READ_ONCE(rq->proxy_waiter))
		return;

	guard(rq_lock_irqsave)(rq);
	if (rq->proxy_waiter && READ_ONCE(rq->proxy_waiter->blocked_on) == word)
		resched_curr(rq);
}

static const char * const proxy_stat_names[NR_PROXY_STATS] = {
	[PROXY_KEPT]			= "kept",
	[PROXY_DONATIONS]		= "donations",
	[PROXY_HOPS]			= "hops",
	[PROXY_UNBLOCKED]		= "unblocked",
	[PROXY_WOKEN]			= "woken",
	[PROXY_PARKED_ASLEEP]		= "parked_asleep",
	[PROXY_PARKED_RUNNING]		= "parked_running",
	[PROXY_PARKED_BLOCKED]		= "parked_blocked",
	[PROXY_PARKED_QUEUED]		= "parked_queued",
	[PROXY_PARKED_MIGRATING]	= "parked_migrating",
	[PROXY_INJECTED]		= "injected",
	[PROXY_MIGRATED]		= "migrated",
	[PROXY_RETURNED]		= "returned",
	[PROXY_HANDOFFS]		= "handoffs",
	[PROXY_REPARKED]		= "reparked",
	[PROXY_PLACED_ANEW]		= "placed_anew",
	[PROXY_THROTTLED]		= "throttled",
	[PROXY_DEGRADED_UNKNOWN]	= "degraded_unknown",
	[PROXY_DEGRADED_CLASS]		= "degraded_class",
	[PROXY_DEGRADED_DEPTH]		= "degraded_depth",
	[PROXY_DEGRADED_CYCLE]		= "degraded_cycle",
	[PROXY_DEGRADED_ATTR]		= "degraded_attr",
	[PROXY_DEGRADED_HOTPLUG]	= "degraded_hotplug",
	[PROXY_DEGRADED_CORE]		= "degraded_core",
	[PROXY_DEGRADED_EXITING]	= "degraded_exiting",
	[PROXY_DEGRADED_BUSY]		= "degraded_busy",
	[PROXY_DEGRADED_OFF]		= "degraded_off",
};

static int stats_show(struct seq_file *m, void *v)
{
	unsigned int max_depth = 0;
	int cpu, i;

	for (i = 0; i < NR_PROXY_STATS; i++) {
		unsigned long sum = 0;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu(proxy_stats, cpu).nr[i]);
		seq_printf(m, "%s %lu\n", proxy_stat_names[i], sum);
	}

	for (i = 0; i < PROXY_DEPTHS; i++) {
		unsigned long sum = 0;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu(proxy_stats, cpu).depth[i]);
		seq_printf(m, "depth_%d %lu\n", 1 << i, sum);
	}

	for_each_possible_cpu(cpu)
		max_depth = max(max_depth,
				READ_ONCE(per_cpu(proxy_stats, cpu).max_depth));
	seq_printf(m, "max_depth %u\n", max_depth);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

#include "proxy_debug.c"

static int __init proxy_debugfs_init(void)
{
	struct dentry *dir, *sched;

	if (!debugfs_initialized())
		return 0;

	/* Without CONFIG_SCHED_DEBUG nobody has made the parent. */
	sched = debugfs_lookup("sched", NULL);
	dir = debugfs_create_dir("proxy_exec",
				 sched ?: debugfs_create_dir("sched", NULL));
	dput(sched);

	debugfs_create_file("enabled", 0644, dir, NULL, &enabled_fops);
	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	debugfs_create_file("stats_percpu", 0444, dir, NULL, &stats_percpu_fops);
	debugfs_create_file("chains", 0400, dir, NULL, &chains_fops);
	return 0;
}
late_initcall_sync(proxy_debugfs_init);

#ifdef CONFIG_SCHED_PROXY_EXEC_KUNIT_TEST
# include "proxy_test.c"
#endif
