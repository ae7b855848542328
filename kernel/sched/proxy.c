// SPDX-License-Identifier: GPL-2.0
/*
 * Proxy execution: run the owner of a lock on the time of a blocked waiter.
 *
 * Model
 *
 *   A task that blocks on a sleeping lock stays on its runqueue and competes
 *   there as before. When it is picked, the scheduler follows what it is
 *   blocked on to the owner of the lock, and on if that is blocked itself, to
 *   a task that can run. That task runs instead, and whatever it uses up is
 *   charged to the one that was picked.
 *
 * Terms
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
 * States of a task, p->proxy.blocked and p->on_rq
 *
 *		schedule() [keep]		    picked, cannot be served;
 *   running ----------------------> blocked      somebody needs it off [demote]
 *	^  ^			     (queued) -----------------------> asleep
 *	|  |   lock found free [walk]  |  |					 |
 *	|  +---------------------------+  | wakeup, and not the current donor	 |
 *	|  |  wakeup of the current donor |					 |
 *	|  +------------------------------+					 |
 *	+----------------------------------- ordinary wakeup --------------------+
 *
 *   A blocked task keeps its p->__state: for whoever wakes it, it sleeps. It
 *   never changes runqueues; what would move it demotes it first. As this is
 *   possible at any time under rq->lock, and the lock's own wakeup is always
 *   sent, falling back to plain blocking is never a matter of correctness.
 *
 * Invariants
 *
 *   [I1] A blocked task does not run, but to return from its own schedule()
 *	  after the mark is gone.
 *   [I2] rq->curr is allowed on its CPU: an owner is only run on the CPU it is
 *	  queued on, a donor blocks where it ran.
 *   [I3] A task is on one runqueue and runs on one CPU at most.
 *   [I4] Time: see the table at task_current() for what is charged to whom.
 *   [I5] A blocked task is queued, or asleep on the wait list of its lock.
 *   [I7] Off is off: nothing is ever blocked, and donor and curr never differ.
 *   [I8] A walk is bounded by PROXY_MAX_DEPTH, and ends where it meets itself.
 *   [I9] What cannot be served falls back to plain blocking, and is counted.
 *
 *   Outside of __schedule() rq->donor differs from rq->curr only while it is
 *   blocked. When it stops being blocked rq->curr becomes its own donor again,
 *   before rq->lock is released.
 *
 * Locks, and who writes what
 *
 *   The walk holds rq->lock and nothing else. No lock's wait_lock is taken by
 *   the scheduler; wakeups are sent with no wait_lock held.
 *
 *   p->blocked_on		p itself, under the wait_lock of the lock
 *   p->proxy			rq->lock of the runqueue p is queued on
 *   rq->donor, rq->proxy_*	rq->lock
 *
 * Why rq->lock alone is enough
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
 *   is let run, to look for itself, or that it sleeps as it would without
 *   proxy execution.
 *
 *   An owner holds the lock, so it has not exited; optimistic spinning relies
 *   on that, too. Interrupts are off from before its name is read until after
 *   it was last looked at, which keeps its task_struct: see
 *   delayed_put_task_struct().
 *
 * Termination
 *
 *   Each walk follows at most PROXY_MAX_DEPTH links. A walk that does not end
 *   in a task to run turns all of its chain into ordinary sleepers before the
 *   next pick, so there are at most as many picks in a row as there are blocked
 *   tasks here. No new ones can come: they come from this CPU.
 *
 * Races considered
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
 *	 backs off by itself. Nothing here needs to know.
 *   (f) A task preempted after it has set blocked_on and before it calls
 *	 schedule() is not blocked, and may be the end of a chain.
 *
 * Not handled, falls back to plain blocking
 *
 *   Owners that sleep or are on another CPU; core scheduling; sched_ext as
 *   donor or owner; reader-owned rw_semaphores. Pushing and pulling move
 *   neither donors nor the task that runs for one.
 */

#include <linux/debugfs.h>
#include <linux/delayacct.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>

/*
 * Longest chain that is followed. Kernel code does not nest sleeping locks
 * nearly as deep; the bound is for the time spent with interrupts off.
 */
#define PROXY_MAX_DEPTH		64

/*
 * Switched off by the boot parameter only, before the first task can block on
 * a contended lock.
 */
DEFINE_STATIC_KEY_TRUE(__sched_proxy_exec);

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

struct proxy_stats {
	unsigned long	nr[NR_PROXY_STATS];
	unsigned int	max_depth;
};

static DEFINE_PER_CPU(struct proxy_stats, proxy_stats);

static void proxy_count(enum proxy_stat what)
{
	this_cpu_inc(proxy_stats.nr[what]);
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

/* Is @p a link of the chain that rq->curr runs for? */
static bool proxy_on_chain(struct rq *rq, struct task_struct *p)
{
	return rq->proxy_waiter && p->proxy.walk == rq->proxy_walk;
}

static void proxy_set_waiter(struct rq *rq, struct task_struct *p)
{
	bool changed = !rq->proxy_waiter != !p;

	WRITE_ONCE(rq->proxy_waiter, p);
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

	if (dequeue_task(rq, p, DEQUEUE_SLEEP | DEQUEUE_NOCLOCK | flags))
		__block_task(rq, p);
}

void __proxy_demote(struct rq *rq, struct task_struct *p, enum proxy_stat why)
{
	lockdep_assert_rq_held(rq);

	proxy_update_rq_clock(rq);

	/* Without this link somebody else may have to run, or nobody. */
	if (proxy_on_chain(rq, p))
		resched_curr(rq);

	proxy_count(why);
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

bool __proxy_keep(struct rq *rq, struct task_struct *p)
{
	enum proxy_stat what = PROXY_KEPT;

	lockdep_assert_rq_held(rq);

	if (!proxy_class(p->sched_class))
		what = PROXY_DEGRADED_CLASS;
	else if (!cpu_active(cpu_of(rq)))
		what = PROXY_DEGRADED_HOTPLUG;
	else if (sched_core_enabled(rq))
		what = PROXY_DEGRADED_CORE;
	else if (READ_ONCE(p->__state) & TASK_FREEZABLE)
		what = PROXY_DEGRADED_ATTR;	/* by the freezer */

	proxy_count(what);
	if (what != PROXY_KEPT)
		return false;

	proxy_mark(rq, p);
	return true;
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

	/* In the middle of its __schedule(), race (a) */
	if (task_current(rq, p)) {
		proxy_unblock(rq, p);
		return false;
	}

	if (proxy_on_chain(rq, p))
		resched_curr(rq);

	if (task_current_donor(rq, p)) {
		proxy_unblock(rq, p);
		proxy_reset_donor(rq);
		resched_curr(rq);
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
 * Is @owner queued on @rq?
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
 */
static enum proxy_stat proxy_owner_here(struct rq *rq, struct task_struct *owner)
{
	switch (smp_load_acquire(&owner->on_rq)) {	/* [R1] */
	case 0:
		return PROXY_DEGRADED_ASLEEP;
	case TASK_ON_RQ_MIGRATING:
		return PROXY_DEGRADED_MIGRATING;
	}

	if (task_cpu(owner) != cpu_of(rq))	/* [R2] */
		return PROXY_DEGRADED_REMOTE;

	smp_rmb();				/* pairs with __set_task_cpu() */
	switch (READ_ONCE(owner->on_rq)) {	/* [R3] */
	case 0:
		return PROXY_DEGRADED_ASLEEP;
	case TASK_ON_RQ_MIGRATING:
		return PROXY_DEGRADED_MIGRATING;
	}

	/* Queued here and stable from here on */
	if (owner->se.sched_delayed)
		return PROXY_DEGRADED_ASLEEP;
	if (!proxy_class(owner->sched_class))
		return PROXY_DEGRADED_CLASS;

	return PROXY_HOPS;
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
	enum proxy_stat here;

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

		here = proxy_owner_here(rq, *owner);
		if (here != PROXY_HOPS)
			return here;

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
	proxy_count(why);
	proxy_dequeue(rq, p, task_current(rq, p) ? 0 : DEQUEUE_SPECIAL);
}

/*
 * The chain from @next ends in @p without a task to run. Nor is there one for
 * any link before it: with @p asleep, all of them wait for a sleeping owner.
 */
static struct task_struct *proxy_give_up(struct rq *rq, struct task_struct *next,
					 struct task_struct *p, enum proxy_stat why)
{
	struct task_struct *owner;

	proxy_set_waiter(rq, NULL);

	for (; next != p; next = owner) {
		blocked_on_owner(READ_ONCE(next->blocked_on), &owner);
		proxy_degrade(rq, next, PROXY_DEGRADED_ASLEEP);
	}
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

	if (__ratelimit(&rs))
		printk_deferred("sched/proxy: lock cycle: %s/%d waits for %s/%d, and the other way round\n",
				p->comm, task_pid_nr(p),
				owner->comm, task_pid_nr(owner));
}

/**
 * __find_proxy_task - find the task to run for a donor
 * @rq: this CPU's runqueue
 * @next: the task that was picked, and is rq->donor
 * @same_donor: it was rq->donor before the pick, too
 *
 * Follows the chain from @next if it is blocked, and records in
 * rq->proxy_waiter on whose behalf the task at its end runs.
 *
 * Context: __schedule(), rq->lock held, clock updated. Does not drop the lock.
 *
 * Return: the task to run; %NULL if tasks were taken off the runqueue, and the
 * pick must be repeated.
 *
 * The walk is that of the patches named under "Sources" in
 * Documentation/scheduler/sched-proxy-exec.rst, but for the locking.
 */
struct task_struct *__find_proxy_task(struct rq *rq, struct task_struct *next,
				      bool same_donor)
{
	struct task_struct *owner, *waiter = NULL, *p = next;
	unsigned int depth = 0;
	enum proxy_stat what;

	lockdep_assert_rq_held(rq);

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

	rq->proxy_walk++;
	do {
		p->proxy.walk = rq->proxy_walk;

		what = proxy_follow(rq, p, &owner);
		if (what == PROXY_UNBLOCKED) {
			proxy_count(what);
			proxy_unblock(rq, p);
			/* Not by try_to_wake_up(), see race (b) */
			WRITE_ONCE(p->__state, TASK_RUNNING);
			trace_sched_wakeup(p);
			break;
		}
		if (what == PROXY_HOPS && ++depth > PROXY_MAX_DEPTH)
			what = PROXY_DEGRADED_DEPTH;
		if (what == PROXY_HOPS && task_is_blocked(owner) &&
		    owner->proxy.walk == rq->proxy_walk)
			what = PROXY_DEGRADED_CYCLE;
		if (what == PROXY_DEGRADED_CYCLE)
			proxy_report_cycle(p, owner);
		if (what != PROXY_HOPS)
			return proxy_give_up(rq, next, p, what);

		waiter = p;
		p = owner;
	} while (task_is_blocked(p));

	proxy_queue_pull(rq);
	proxy_set_waiter(rq, waiter);
	if (waiter) {
		proxy_count(PROXY_DONATIONS);
		this_cpu_add(proxy_stats.nr[PROXY_HOPS], depth);
		if (depth > this_cpu_read(proxy_stats.max_depth))
			this_cpu_write(proxy_stats.max_depth, depth);
	}

	return p;
}

/**
 * __sched_proxy_unlock - a contended lock was released
 * @word: what a waiter of it has in task_struct::blocked_on
 *
 * If current runs because rq->donor needed this lock, it has nothing more to
 * do for the donor. The waiter that was woken need not be the one in whose
 * favour current runs, and if it is not, nothing else would stop current from
 * going on in the donor's place. Look again who is to run.
 *
 * Context: any; after the lock was released and with preemption off. If
 * current was preempted in between, that walk has seen the lock released.
 */
void __sched_proxy_unlock(unsigned long word)
{
	struct rq *rq = this_rq();

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
	[PROXY_DEGRADED_ASLEEP]		= "degraded_asleep",
	[PROXY_DEGRADED_REMOTE]		= "degraded_remote",
	[PROXY_DEGRADED_MIGRATING]	= "degraded_migrating",
	[PROXY_DEGRADED_UNKNOWN]	= "degraded_unknown",
	[PROXY_DEGRADED_CLASS]		= "degraded_class",
	[PROXY_DEGRADED_DEPTH]		= "degraded_depth",
	[PROXY_DEGRADED_CYCLE]		= "degraded_cycle",
	[PROXY_DEGRADED_ATTR]		= "degraded_attr",
	[PROXY_DEGRADED_HOTPLUG]	= "degraded_hotplug",
	[PROXY_DEGRADED_CORE]		= "degraded_core",
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

	for_each_possible_cpu(cpu)
		max_depth = max(max_depth,
				READ_ONCE(per_cpu(proxy_stats, cpu).max_depth));
	seq_printf(m, "max_depth %u\n", max_depth);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int enabled_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", sched_proxy_exec());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(enabled);

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

	debugfs_create_file("enabled", 0444, dir, NULL, &enabled_fops);
	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	return 0;
}
late_initcall_sync(proxy_debugfs_init);
