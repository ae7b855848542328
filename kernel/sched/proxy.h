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
	PROXY_DEGRADED_ASLEEP,	/* owner sleeps */
	PROXY_DEGRADED_REMOTE,	/* owner is on another CPU */
	PROXY_DEGRADED_MIGRATING, /* owner is between runqueues */
	PROXY_DEGRADED_UNKNOWN,	/* lock cannot name an owner */
	PROXY_DEGRADED_CLASS,	/* class of donor or owner takes no part */
	PROXY_DEGRADED_DEPTH,	/* chain too long */
	PROXY_DEGRADED_CYCLE,	/* chain is a cycle: deadlock */
	PROXY_DEGRADED_ATTR,	/* somebody needs the task off the runqueue */
	PROXY_DEGRADED_HOTPLUG,	/* CPU goes down */
	PROXY_DEGRADED_CORE,	/* core scheduling is on */
	NR_PROXY_STATS,
};

#ifdef CONFIG_SCHED_PROXY_EXEC

bool __proxy_keep(struct rq *rq, struct task_struct *p);
struct task_struct *__find_proxy_task(struct rq *rq, struct task_struct *next,
				      bool same_donor);
bool __proxy_wake(struct rq *rq, struct task_struct *p);
void __proxy_demote(struct rq *rq, struct task_struct *p, enum proxy_stat why);
void __proxy_class_change(struct rq *rq, struct task_struct *p);

/*
 * Does @rq run a task on the time of another? rq->lock; unlike rq->donor !=
 * rq->curr also valid while __schedule() has yet to publish rq->curr.
 */
static inline bool rq_is_proxying(struct rq *rq)
{
	return sched_proxy_exec() && rq->proxy_waiter;
}

/* @p, which is rq->curr, goes to sleep. Leave it queued? */
static inline bool proxy_keep(struct rq *rq, struct task_struct *p)
{
	return sched_proxy_exec() && p->blocked_on && __proxy_keep(rq, p);
}

/*
 * Before the pick, with @prev on its way out: the pick can leave the donor as
 * it is, and does then not bring its account up to date. This must come first,
 * because it may show that the donor's time is used up.
 */
static inline void proxy_update_curr(struct rq *rq, struct task_struct *prev)
{
	if (sched_proxy_exec() &&
	    unlikely(rq->proxy_waiter || task_is_blocked(prev)))
		rq->donor->sched_class->update_curr(rq);
}

/* @next was picked, and is the donor: who is to run? %NULL: pick again. */
static inline struct task_struct *find_proxy_task(struct rq *rq,
						  struct task_struct *next)
{
	bool same_donor = rq->donor == next;

	rq_set_donor(rq, next);
	if (!sched_proxy_exec() ||
	    likely(!rq->proxy_waiter && !rq->proxy_pull &&
		   !task_is_blocked(next)))
		return next;

	return __find_proxy_task(rq, next, same_donor);
}

/* @p, which is queued, is woken. Does it need to be queued anew? */
static inline bool proxy_wake(struct rq *rq, struct task_struct *p)
{
	return sched_proxy_exec() && task_is_blocked(p) && __proxy_wake(rq, p);
}

/*
 * Make @p an ordinary sleeper if it is blocked on @rq. In the middle of its
 * __schedule() it is then what it would be there without proxy execution: off
 * the runqueue, and still on the CPU.
 */
static inline bool proxy_demote(struct rq *rq, struct task_struct *p,
				enum proxy_stat why)
{
	if (!sched_proxy_exec() || !task_is_blocked(p))
		return false;

	__proxy_demote(rq, p, why);
	return true;
}

static inline void proxy_fork(struct task_struct *p)
{
	memset(&p->proxy, 0, sizeof(p->proxy));
}

/* @p is about to change to class @next. */
static inline void proxy_class_change(struct rq *rq, struct task_struct *p,
				      const struct sched_class *next)
{
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

static inline bool proxy_keep(struct rq *rq, struct task_struct *p)
{
	return false;
}

static inline void proxy_update_curr(struct rq *rq, struct task_struct *prev)
{
}

static inline struct task_struct *find_proxy_task(struct rq *rq,
						  struct task_struct *next)
{
	rq_set_donor(rq, next);
	return next;
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

static inline void proxy_fork(struct task_struct *p)
{
}

static inline void proxy_class_change(struct rq *rq, struct task_struct *p,
				      const struct sched_class *next)
{
}

#endif /* CONFIG_SCHED_PROXY_EXEC */

#endif /* _KERNEL_SCHED_PROXY_H */
