/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_SCHED_PROXY_H
#define _KERNEL_SCHED_PROXY_H

/*
 * Interface of proxy execution, kernel/sched/proxy.c, to the core scheduler
 * and the scheduling classes.
 */

/*
 * What is counted. The reasons to fall back to plain blocking come last; see
 * proxy_stat_names[] for what user space gets to see.
 */
enum proxy_stat {
	PROXY_KEPT,		/* left queued when it blocked */
	PROXY_DONATIONS,	/* a walk ended in running an owner */
	PROXY_HOPS,		/* links followed in these walks */
	PROXY_UNBLOCKED,	/* lock found free, waiter let run */
	PROXY_WOKEN,		/* taken back by a wakeup */
	PROXY_PARKED_ASLEEP,	/* off the runqueue, on an owner that sleeps */
	PROXY_PARKED_RUNNING,	/* on an owner that runs */
	PROXY_PARKED_BLOCKED,	/* on an owner that is parked itself */
	PROXY_PARKED_QUEUED,	/* on an owner that does not run yet */
	PROXY_PARKED_MIGRATING,	/* on an owner between runqueues */
	PROXY_INJECTED,		/* enqueued where the owner waits for a CPU */
	PROXY_MIGRATED,		/* of these: on another CPU */
	PROXY_RETURNED,		/* woken elsewhere and back home */
	PROXY_HANDOFFS,		/* locks handed to who paid */
	PROXY_REPARKED,		/* groups passed on to the next owner of the lock */
	PROXY_PLACED_ANEW,	/* may not stay on its CPU, placed anew */
	PROXY_THROTTLED,	/* not injected: group has no time to give */
	PROXY_DEGRADED_UNKNOWN,	/* lock cannot name an owner */
	PROXY_DEGRADED_CLASS,	/* class of donor or owner takes no part */
	PROXY_DEGRADED_DEPTH,	/* chain too long */
	PROXY_DEGRADED_CYCLE,	/* chain is a cycle: deadlock */
	PROXY_DEGRADED_ATTR,	/* somebody needs the task off the runqueue */
	PROXY_DEGRADED_HOTPLUG,	/* CPU goes down */
	PROXY_DEGRADED_CORE,	/* core scheduling is on */
	PROXY_DEGRADED_EXITING,	/* what looked like an owner is dead */
	PROXY_DEGRADED_BUSY,	/* no end found, ww_mutex cycle, or !SMP */
	PROXY_DEGRADED_OFF,	/* switched off at run time */
	NR_PROXY_STATS,
};

#ifdef CONFIG_SCHED_PROXY_EXEC

bool __proxy_keep(struct rq *rq, struct task_struct *p, int *flags);
struct task_struct *__find_proxy_task(struct rq *rq, struct task_struct *next);
bool __proxy_wake(struct rq *rq, struct task_struct *p);
void __proxy_demote(struct rq *rq, struct task_struct *p, enum proxy_stat why);
void __proxy_class_change(struct rq *rq, struct task_struct *p);
void __proxy_prio_changed(struct rq *rq, struct task_struct *p);
void __proxy_claim(struct task_struct *p);
void __proxy_note(struct rq *rq, struct task_struct *p);
unsigned long __proxy_picked(struct rq *rq, struct task_struct *prev,
			     struct task_struct *next, unsigned long prev_state);
void __proxy_activated(struct rq *rq, struct task_struct *p);
void __proxy_exit(struct task_struct *p);
void __proxy_tick(struct rq *rq);
void __proxy_dequeued(struct task_struct *p);
void proxy_fork(struct task_struct *p);
void proxy_init_rq(struct rq *rq);
void proxy_show_task(struct seq_file *m, struct pid_namespace *ns,
		     struct task_struct *p);

/*
 * Does @rq run a task on the time of another? rq->lock; unlike rq->donor !=
 * rq->curr also valid while __schedule() has yet to publish rq->curr.
 */
static inline bool rq_is_proxying(struct rq *rq)
{
	return sched_proxy_exec() && rq->proxy_waiter;
}

/* @curr has run for @delta on the time of @donor. rq->lock of both. */
static inline void proxy_account(struct task_struct *donor,
				 struct task_struct *curr, u64 delta)
{
	if (likely(donor == curr))
		return;
	donor->proxy.time_given += delta;
	curr->proxy.time_received += delta;
}

/*
 * @p, which is rq->curr, goes to sleep. Leave it queued? If not, @flags can
 * get more dequeue flags.
 */
static inline bool proxy_keep(struct rq *rq, struct task_struct *p, int *flags)
{
	return sched_proxy_exec() && p->blocked_on && __proxy_keep(rq, p, flags);
}

/*
 * Before the pick: it can leave the donor as it is, and does then not bring its
 * account up to date. This must come first, because it may show that the donor's
 * time is used up. The fair class does so by itself.
 */
static inline void proxy_update_curr(struct rq *rq)
{
	if (sched_proxy_exec() && unlikely(rq->proxy_work))
		rq->donor->sched_class->update_curr(rq);
}

/* *@next was picked, and is the donor: who is to run? If false pick again. */
static inline bool find_proxy_task(struct rq *rq, struct task_struct **next)
{
	if (sched_proxy_exec() && unlikely(rq->proxy_work)) {
		*next = __find_proxy_task(rq, *next);
		return *next;
	}

	rq_set_donor(rq, *next);
	return true;
}

/* @p, which is queued, is woken. Does it need to be queued anew? */
static inline bool proxy_wake(struct rq *rq, struct task_struct *p)
{
	return sched_proxy_exec() && task_is_blocked(p) && __proxy_wake(rq, p);
}

/*
 * Make @p an ordinary sleeper if it is blocked on @rq. In the middle of its
 * __schedule() it is then what it would be there without proxy execution: off
 * the runqueue, and still on the CPU. If @why is %PROXY_PLACED_ANEW it is taken to
 * its owner again after the next switch; the caller has p->pi_lock until it is
 * done with @p.
 */
static inline bool proxy_demote(struct rq *rq, struct task_struct *p,
				enum proxy_stat why)
{
	if (!sched_proxy_exec() || !task_is_blocked(p))
		return false;

	__proxy_demote(rq, p, why);
	return true;
}

/*
 * @p is off the runqueue and gets woken; p->pi_lock. Nobody else may now, and
 * where its owner had taken it is forgotten.
 */
static inline void proxy_claim(struct task_struct *p)
{
	if (sched_proxy_exec() &&
	    unlikely(smp_load_acquire(&p->proxy.queue) || /* [__proxy_take()] */
		     p->proxy.home >= 0))
		__proxy_claim(p);
}

/* Where @p runs when it is woken, or may: not where it was carried */
static inline int proxy_task_home(struct task_struct *p)
{
	return sched_proxy_exec() && p->proxy.home >= 0 ? p->proxy.home :
							  task_cpu(p);
}

#ifdef CONFIG_SMP
/* Where the bandwidth of @p, which belongs to @rq, was admitted */
static inline struct root_domain *proxy_home_rd(struct rq *rq,
						struct task_struct *p)
{
	return sched_proxy_exec() && p->proxy.home >= 0 ?
	       cpu_rq(p->proxy.home)->rd : rq->rd;
}
#endif

/* Has @p parked donors to come back to? See proxy_settle() for the ordering. */
static inline bool proxy_has_donors(struct task_struct *p)
{
	return READ_ONCE(p->proxy.holds);
}

/* @p was put on @rq, and is about to be ->on_rq. */
static inline void proxy_activated(struct rq *rq, struct task_struct *p)
{
	if (sched_proxy_exec())
		__proxy_activated(rq, p);
}

/* @p has been woken while it slept in delayed dequeue, see proxy_stands(). */
static inline void proxy_undelayed(struct rq *rq, struct task_struct *p)
{
	if (!sched_proxy_exec())
		return;

	smp_mb(); /* sched_delayed first, see proxy_stands() */
	if (unlikely(proxy_has_donors(p)))
		__proxy_note(rq, p);
}

/* The priority of @p was @oldprio. If it sleeps, it can be in a hurry now. */
static inline void proxy_prio_changed(struct rq *rq, struct task_struct *p,
				      int oldprio)
{
	if (sched_proxy_exec() && p->prio < oldprio && READ_ONCE(p->proxy.queue))
		__proxy_prio_changed(rq, p);
}

/* @p, which does not run, leaves its runqueue. */
static inline void proxy_dequeued(struct task_struct *p)
{
	if (sched_proxy_exec() && unlikely(p->proxy.listed))
		__proxy_dequeued(p);
}

/*
 * Is there work for the next switch: an owner waiting here, or a waiter to be
 * taken to its own? Neither need count in rq->nr_running.
 */
static inline bool proxy_pending(struct rq *rq)
{
	return sched_proxy_exec() && rq->proxy_work;
}

/*
 * The pick is done: @next runs, in the place of @prev. An atomic operation has
 * come in between.
 *
 * Return: what @prev_state is by now.
 */
static inline unsigned long proxy_picked(struct rq *rq, struct task_struct *prev,
					 struct task_struct *next,
					 unsigned long prev_state)
{
	if (!sched_proxy_exec())
		return prev_state;

	/* That of clear_tsk_need_resched(). rq->donor first, see proxy_stands(). */
	smp_mb__after_atomic();
	if (unlikely(rq->proxy_work | proxy_has_donors(prev) | next->proxy.listed))
		prev_state = __proxy_picked(rq, prev, next, prev_state);
	return prev_state;
}

/* Some donors were left out, see __proxy_note() and proxy_feed(). */
static inline void proxy_tick(struct rq *rq)
{
	if (sched_proxy_exec() && unlikely(!list_empty(&rq->proxy_pending)))
		__proxy_tick(rq);
}

/* @p is dead and off the CPU for good. */
static inline void proxy_exit(struct task_struct *p)
{
	if (sched_proxy_exec())
		__proxy_exit(p);
}

/* @p is about to change to class @next. */
static inline void proxy_class_change(struct rq *rq, struct task_struct *p,
				      const struct sched_class *next)
{
#ifdef CONFIG_SMP
	/* Bandwidth is admitted by root domain. */
	if (next == &dl_sched_class && proxy_home_rd(rq, p) != rq->rd)
		proxy_demote(rq, p, PROXY_DEGRADED_ATTR);
#endif
#ifdef CONFIG_SCHED_CLASS_EXT
	if (sched_proxy_exec() && next == &ext_sched_class)
		__proxy_class_change(rq, p);
#endif
}

#else /* !CONFIG_SCHED_PROXY_EXEC */

static inline bool rq_is_proxying(struct rq *rq)
{
	return false;
}

static inline void proxy_account(struct task_struct *donor,
				 struct task_struct *curr, u64 delta)
{
}

static inline bool proxy_keep(struct rq *rq, struct task_struct *p, int *flags)
{
	return false;
}

static inline void proxy_update_curr(struct rq *rq)
{
}

static inline bool find_proxy_task(struct rq *rq, struct task_struct **next)
{
	return true;
}

static inline bool proxy_wake(struct rq *rq, struct task_struct *p)
{
	return false;
}

static inline bool proxy_demote(struct rq *rq, struct task_struct *p,
				enum proxy_stat why)
{
	return false;
}

static inline void proxy_claim(struct task_struct *p)
{
}

static inline int proxy_task_home(struct task_struct *p)
{
	return task_cpu(p);
}

#ifdef CONFIG_SMP
static inline struct root_domain *proxy_home_rd(struct rq *rq,
						struct task_struct *p)
{
	return rq->rd;
}
#endif

static inline void proxy_activated(struct rq *rq, struct task_struct *p)
{
}

static inline void proxy_undelayed(struct rq *rq, struct task_struct *p)
{
}

static inline void proxy_prio_changed(struct rq *rq, struct task_struct *p,
				      int oldprio)
{
}

static inline void proxy_dequeued(struct task_struct *p)
{
}

static inline bool proxy_pending(struct rq *rq)
{
	return false;
}

static inline unsigned long proxy_picked(struct rq *rq, struct task_struct *prev,
					 struct task_struct *next,
					 unsigned long prev_state)
{
	return prev_state;
}

static inline void proxy_tick(struct rq *rq)
{
}

static inline void proxy_exit(struct task_struct *p)
{
}

static inline void proxy_fork(struct task_struct *p)
{
}

static inline void proxy_init_rq(struct rq *rq)
{
}

static inline void proxy_show_task(struct seq_file *m, struct pid_namespace *ns,
				   struct task_struct *p)
{
}

static inline void proxy_class_change(struct rq *rq, struct task_struct *p,
				      const struct sched_class *next)
{
}

#endif /* CONFIG_SCHED_PROXY_EXEC */

#endif /* _KERNEL_SCHED_PROXY_H */
