/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sched_proxy

#if !defined(_TRACE_SCHED_PROXY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SCHED_PROXY_H

/*
 * What proxy execution does to whom: one event for each change of where a
 * waiter is, and one for each change of who runs on whose time. The states are
 * those at the head of kernel/sched/proxy.c. Included by that file alone, which
 * knows enum proxy_stat.
 *
 * Together with sched_switch and sched_waking these are enough to tell at any
 * time which task runs on each CPU, and on whose behalf.
 *
 * lock is an address to tell locks from each other, the same that
 * lock:contention_begin shows. owner_pid is 0 if nobody owns the lock or the
 * lock cannot tell.
 */

#include <linux/sched/proxy.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#ifndef _SCHED_PROXY_TRACE_HELPERS
#define _SCHED_PROXY_TRACE_HELPERS

static inline void *sched_proxy_trace_lock(unsigned long word)
{
	return (void *)(word & ~(unsigned long)BLOCKED_ON_TYPE_MASK);
}

static inline void sched_proxy_trace_comm(char *to, const struct task_struct *p)
{
	if (p)
		memcpy(to, p->comm, TASK_COMM_LEN);
	else
		memset(to, 0, TASK_COMM_LEN);
}

#endif /* _SCHED_PROXY_TRACE_HELPERS */

TRACE_DEFINE_ENUM(BLOCKED_ON_MUTEX);
TRACE_DEFINE_ENUM(BLOCKED_ON_RWSEM);

#define show_proxy_lock(type)					\
	__print_symbolic(type,					\
		{ BLOCKED_ON_MUTEX,		"mutex" },	\
		{ BLOCKED_ON_RWSEM,		"rwsem" })

TRACE_DEFINE_ENUM(PROXY_PARKED_ASLEEP);
TRACE_DEFINE_ENUM(PROXY_PARKED_RUNNING);
TRACE_DEFINE_ENUM(PROXY_PARKED_BLOCKED);
TRACE_DEFINE_ENUM(PROXY_PARKED_QUEUED);
TRACE_DEFINE_ENUM(PROXY_PARKED_MIGRATING);
TRACE_DEFINE_ENUM(PROXY_THROTTLED);

/* The names of the counters in debugfs, without what they have in common */
#define show_proxy_park(why)					\
	__print_symbolic(why,					\
		{ PROXY_PARKED_ASLEEP,		"asleep" },	\
		{ PROXY_PARKED_RUNNING,		"running" },	\
		{ PROXY_PARKED_BLOCKED,		"blocked" },	\
		{ PROXY_PARKED_QUEUED,		"queued" },	\
		{ PROXY_PARKED_MIGRATING,	"migrating" },	\
		{ PROXY_THROTTLED,		"throttled" })

TRACE_DEFINE_ENUM(PROXY_DEGRADED_UNKNOWN);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_CLASS);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_DEPTH);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_CYCLE);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_ATTR);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_HOTPLUG);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_CORE);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_EXITING);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_BUSY);
TRACE_DEFINE_ENUM(PROXY_DEGRADED_OFF);
TRACE_DEFINE_ENUM(PROXY_PLACED_ANEW);

#define show_proxy_degrade(reason)				\
	__print_symbolic(reason,				\
		{ PROXY_DEGRADED_UNKNOWN,	"unknown" },	\
		{ PROXY_DEGRADED_CLASS,		"class" },	\
		{ PROXY_DEGRADED_DEPTH,		"depth" },	\
		{ PROXY_DEGRADED_CYCLE,		"cycle" },	\
		{ PROXY_DEGRADED_ATTR,		"attr" },	\
		{ PROXY_DEGRADED_HOTPLUG,	"hotplug" },	\
		{ PROXY_DEGRADED_CORE,		"core" },	\
		{ PROXY_DEGRADED_EXITING,	"exiting" },	\
		{ PROXY_DEGRADED_BUSY,		"busy" },	\
		{ PROXY_DEGRADED_OFF,		"off" },	\
		{ PROXY_PLACED_ANEW,		"placed_anew" })

TRACE_DEFINE_ENUM(PROXY_WOKEN);
TRACE_DEFINE_ENUM(PROXY_UNBLOCKED);
TRACE_DEFINE_ENUM(PROXY_INJECTED);

#define show_proxy_unblock(why)					\
	__print_symbolic(why,					\
		{ PROXY_WOKEN,			"woken" },	\
		{ PROXY_UNBLOCKED,		"free" },	\
		{ PROXY_INJECTED,		"unparked" })

DECLARE_EVENT_CLASS(sched_proxy_waiter,

	TP_PROTO(struct task_struct *p),

	TP_ARGS(p),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(void *, lock)
		__field(int, lock_type)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(p->blocked_on);

		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
	),

	TP_printk("comm=%s pid=%d prio=%d lock=%p lock_type=%s",
		  __entry->comm, __entry->pid, __entry->prio, __entry->lock,
		  show_proxy_lock(__entry->lock_type))
);

/* It stays on its runqueue, because the owner of the lock is there, too. */
DEFINE_EVENT(sched_proxy_waiter, sched_proxy_keep,
	     TP_PROTO(struct task_struct *p),
	     TP_ARGS(p));

/* It has left its runqueue, to go on where its owner is. */
DEFINE_EVENT(sched_proxy_waiter, sched_proxy_leave,
	     TP_PROTO(struct task_struct *p),
	     TP_ARGS(p));

DECLARE_EVENT_CLASS(sched_proxy_owner,

	TP_PROTO(struct task_struct *p, struct task_struct *owner),

	TP_ARGS(p, owner),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(void *, lock)
		__field(int, lock_type)
		__array(char, owner_comm, TASK_COMM_LEN)
		__field(pid_t, owner_pid)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(p->blocked_on);

		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		sched_proxy_trace_comm(__entry->owner_comm, owner);
		__entry->owner_pid	= owner ? owner->pid : 0;
	),

	TP_printk("comm=%s pid=%d prio=%d lock=%p lock_type=%s owner_comm=%s owner_pid=%d",
		  __entry->comm, __entry->pid, __entry->prio, __entry->lock,
		  show_proxy_lock(__entry->lock_type),
		  __entry->owner_comm, __entry->owner_pid)
);

/*
 * It goes to sleep on a lock. What comes of it follows: sched_proxy_keep,
 * _leave, _park or _degrade.
 */
DEFINE_EVENT(sched_proxy_owner, sched_proxy_block,
	     TP_PROTO(struct task_struct *p, struct task_struct *owner),
	     TP_ARGS(p, owner));

/* It waits for the owner, and that for it: a deadlock. */
DEFINE_EVENT(sched_proxy_owner, sched_proxy_cycle,
	     TP_PROTO(struct task_struct *p, struct task_struct *owner),
	     TP_ARGS(p, owner));

/* It is off the runqueues, in a list of its owner, until that needs help. */
TRACE_EVENT(sched_proxy_park,

	TP_PROTO(struct task_struct *p, struct task_struct *owner, int why),

	TP_ARGS(p, owner, why),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(void *, lock)
		__field(int, lock_type)
		__array(char, owner_comm, TASK_COMM_LEN)
		__field(pid_t, owner_pid)
		__field(int, why)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(p->blocked_on);

		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		sched_proxy_trace_comm(__entry->owner_comm, owner);
		__entry->owner_pid	= owner ? owner->pid : 0;
		__entry->why		= why;
	),

	TP_printk("comm=%s pid=%d prio=%d lock=%p lock_type=%s owner_comm=%s owner_pid=%d why=%s",
		  __entry->comm, __entry->pid, __entry->prio, __entry->lock,
		  show_proxy_lock(__entry->lock_type),
		  __entry->owner_comm, __entry->owner_pid,
		  show_proxy_park(__entry->why))
);

/* It is enqueued where its owner waits for a CPU. */
TRACE_EVENT(sched_proxy_inject,

	TP_PROTO(struct task_struct *p, struct task_struct *owner, int cpu),

	TP_ARGS(p, owner, cpu),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(void *, lock)
		__field(int, lock_type)
		__array(char, owner_comm, TASK_COMM_LEN)
		__field(pid_t, owner_pid)
		__field(int, target_cpu)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(p->blocked_on);

		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		sched_proxy_trace_comm(__entry->owner_comm, owner);
		__entry->owner_pid	= owner ? owner->pid : 0;
		__entry->target_cpu	= cpu;
	),

	TP_printk("comm=%s pid=%d prio=%d lock=%p lock_type=%s owner_comm=%s owner_pid=%d target_cpu=%03d",
		  __entry->comm, __entry->pid, __entry->prio, __entry->lock,
		  show_proxy_lock(__entry->lock_type),
		  __entry->owner_comm, __entry->owner_pid, __entry->target_cpu)
);

DECLARE_EVENT_CLASS(sched_proxy_carry,

	TP_PROTO(struct task_struct *p, int orig_cpu, int dest_cpu),

	TP_ARGS(p, orig_cpu, dest_cpu),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(int, orig_cpu)
		__field(int, dest_cpu)
	),

	TP_fast_assign(
		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->orig_cpu	= orig_cpu;
		__entry->dest_cpu	= dest_cpu;
	),

	TP_printk("comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d",
		  __entry->comm, __entry->pid, __entry->prio,
		  __entry->orig_cpu, __entry->dest_cpu)
);

/* It is enqueued on another CPU than the one it ran on. */
DEFINE_EVENT(sched_proxy_carry, sched_proxy_migrate,
	     TP_PROTO(struct task_struct *p, int orig_cpu, int dest_cpu),
	     TP_ARGS(p, orig_cpu, dest_cpu));

/* It is woken there, and goes back first. */
DEFINE_EVENT(sched_proxy_carry, sched_proxy_return,
	     TP_PROTO(struct task_struct *p, int orig_cpu, int dest_cpu),
	     TP_ARGS(p, orig_cpu, dest_cpu));

/*
 * The donor was picked, and its time goes to the owner: at once if that runs
 * already, with the next sched_switch of this CPU if not. The owner holds what
 * the waiter waits for, which is the donor itself if depth is 1.
 */
TRACE_EVENT(sched_proxy_donate,

	TP_PROTO(struct task_struct *donor, struct task_struct *owner,
		 struct task_struct *waiter, unsigned int depth),

	TP_ARGS(donor, owner, waiter, depth),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__array(char, owner_comm, TASK_COMM_LEN)
		__field(pid_t, owner_pid)
		__field(pid_t, waiter_pid)
		__field(void *, lock)
		__field(int, lock_type)
		__field(unsigned int, depth)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(waiter->blocked_on);

		sched_proxy_trace_comm(__entry->comm, donor);
		__entry->pid		= donor->pid;
		__entry->prio		= donor->prio;
		sched_proxy_trace_comm(__entry->owner_comm, owner);
		__entry->owner_pid	= owner->pid;
		__entry->waiter_pid	= waiter->pid;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		__entry->depth		= depth;
	),

	TP_printk("comm=%s pid=%d prio=%d owner_comm=%s owner_pid=%d waiter_pid=%d lock=%p lock_type=%s depth=%u",
		  __entry->comm, __entry->pid, __entry->prio,
		  __entry->owner_comm, __entry->owner_pid, __entry->waiter_pid,
		  __entry->lock, show_proxy_lock(__entry->lock_type),
		  __entry->depth)
);

/*
 * The task that runs on target_cpu does so on its own time again. Another CPU
 * can have brought this about, by a wakeup of the donor.
 */
TRACE_EVENT(sched_proxy_end,

	TP_PROTO(struct task_struct *p, int cpu),

	TP_ARGS(p, cpu),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, target_cpu)
	),

	TP_fast_assign(
		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->target_cpu	= cpu;
	),

	TP_printk("comm=%s pid=%d target_cpu=%03d",
		  __entry->comm, __entry->pid, __entry->target_cpu)
);

DECLARE_EVENT_CLASS(sched_proxy_lock,

	TP_PROTO(unsigned long word, struct task_struct *from,
		 struct task_struct *to),

	TP_ARGS(word, from, to),

	TP_STRUCT__entry(
		__field(void *, lock)
		__field(int, lock_type)
		__field(pid_t, from_pid)
		__array(char, to_comm, TASK_COMM_LEN)
		__field(pid_t, to_pid)
	),

	TP_fast_assign(
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		__entry->from_pid	= from->pid;
		sched_proxy_trace_comm(__entry->to_comm, to);
		__entry->to_pid		= to->pid;
	),

	TP_printk("lock=%p lock_type=%s from_pid=%d to_comm=%s to_pid=%d",
		  __entry->lock, show_proxy_lock(__entry->lock_type),
		  __entry->from_pid, __entry->to_comm, __entry->to_pid)
);

/* All that are parked on one task because of this lock are so on another. */
DEFINE_EVENT(sched_proxy_lock, sched_proxy_pass,
	     TP_PROTO(unsigned long word, struct task_struct *from,
		      struct task_struct *to),
	     TP_ARGS(word, from, to));

/* The lock is given to the waiter on whose behalf its owner ran. */
DEFINE_EVENT(sched_proxy_lock, sched_proxy_handoff,
	     TP_PROTO(unsigned long word, struct task_struct *from,
		      struct task_struct *to),
	     TP_ARGS(word, from, to));

/*
 * It sleeps as it would without proxy execution. Reason "placed_anew" is no such
 * case, it goes on to its owner again.
 */
TRACE_EVENT(sched_proxy_degrade,

	TP_PROTO(struct task_struct *p, int reason),

	TP_ARGS(p, reason),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(void *, lock)
		__field(int, lock_type)
		__field(int, reason)
	),

	TP_fast_assign(
		unsigned long word = READ_ONCE(p->blocked_on);

		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->lock		= sched_proxy_trace_lock(word);
		__entry->lock_type	= word & BLOCKED_ON_TYPE_MASK;
		__entry->reason		= reason;
	),

	TP_printk("comm=%s pid=%d lock=%p lock_type=%s reason=%s",
		  __entry->comm, __entry->pid, __entry->lock,
		  show_proxy_lock(__entry->lock_type),
		  show_proxy_degrade(__entry->reason))
);

/*
 * It is queued but waits no longer: it was woken, or its lock was found free; or
 * it is taken off the list of its owner by its wakeup.
 */
TRACE_EVENT(sched_proxy_unblock,

	TP_PROTO(struct task_struct *p, int why),

	TP_ARGS(p, why),

	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, prio)
		__field(int, why)
	),

	TP_fast_assign(
		sched_proxy_trace_comm(__entry->comm, p);
		__entry->pid		= p->pid;
		__entry->prio		= p->prio;
		__entry->why		= why;
	),

	TP_printk("comm=%s pid=%d prio=%d why=%s",
		  __entry->comm, __entry->pid, __entry->prio,
		  show_proxy_unblock(__entry->why))
);

#endif /* _TRACE_SCHED_PROXY_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
