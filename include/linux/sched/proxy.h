/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_SCHED_PROXY_H
#define _LINUX_SCHED_PROXY_H

/*
 * What sleeping locks and the scheduler tell each other.
 *
 * A task that queues on a sleeping lock records in task_struct::blocked_on
 * which lock it waits for. The record says nothing about the task being
 * asleep: it stands from the moment the task is on the wait list until it has
 * left it, and the task may run, spin or be preempted in between.
 */

#include <linux/jump_label.h>
#include <linux/sched.h>

struct mutex;
struct rw_semaphore;

/**
 * sched_proxy_backs_off - is current to be woken if it waits in a cycle?
 * @ww: current waits for a ww_mutex with an acquire context
 *
 * Such a cycle lasts until one of its tasks has been told to give up. It is no
 * deadlock, and not reported as one.
 *
 * Context: any, before current sleeps. blocked_on_clear() takes it back.
 */
static inline void sched_proxy_backs_off(bool ww)
{
#ifdef CONFIG_SCHED_PROXY_EXEC
	WRITE_ONCE(current->proxy.backs_off, ww);
#endif
}

/**
 * enum blocked_on_type - kind of lock a task can be recorded as waiting for
 * @BLOCKED_ON_MUTEX: struct mutex, also as the base of a ww_mutex
 * @BLOCKED_ON_RWSEM: struct rw_semaphore
 * @BLOCKED_ON_TYPE_MASK: bits of task_struct::blocked_on that hold the type
 *
 * Only what decodes the word relies on locks being aligned beyond the mask.
 */
enum blocked_on_type {
	BLOCKED_ON_MUTEX	= 0,
	BLOCKED_ON_RWSEM	= 1,
	BLOCKED_ON_TYPE_MASK	= 3,
};

static inline unsigned long blocked_on_word(enum blocked_on_type type,
					    const void *lock)
{
	return (unsigned long)lock | type;
}

/**
 * blocked_on_set - record that current waits for a lock
 * @type: kind of @lock
 * @lock: the lock
 *
 * Context: current is being added to the wait list, with the wait_lock of
 * @lock held. That makes a comparison with task_blocked_on() under the same
 * wait_lock exact. Nothing else may write the word.
 */
static inline void blocked_on_set(enum blocked_on_type type, const void *lock)
{
	WRITE_ONCE(current->blocked_on, blocked_on_word(type, lock));
}

/**
 * blocked_on_clear - current no longer waits for a lock
 *
 * Context: with the wait_lock of the lock held, or after the lock's owner has
 * taken current off the wait list by itself.
 */
static inline void blocked_on_clear(void)
{
	/* After the owner was set: pairs with smp_rmb() in proxy_still_owner() */
	smp_store_release(&current->blocked_on, 0);
	sched_proxy_backs_off(false);
}

/**
 * task_blocked_on - does a task wait for this lock?
 * @p: the task
 * @type: kind of @lock
 * @lock: the lock
 *
 * Context: any. Stable under the wait_lock of @lock, otherwise a hint.
 *
 * Return: true if @p is recorded as waiting for @lock.
 */
static inline bool task_blocked_on(const struct task_struct *p,
				   enum blocked_on_type type, const void *lock)
{
	return READ_ONCE(p->blocked_on) == blocked_on_word(type, lock);
}

/**
 * enum lock_owner_state - what a lock can say about its owner
 * @LOCK_UNOWNED: nobody holds the lock, a waiter that runs can take it
 * @LOCK_OWNED: held, by the task that was returned
 * @LOCK_HANDED: handed to the task that was returned, which has to run to
 *	take it
 * @LOCK_OWNER_UNKNOWN: held by somebody who cannot be named (readers, an
 *	anonymous writer), or about to be granted to a waiter that cannot
 *	speed this up by running
 */
enum lock_owner_state {
	LOCK_UNOWNED,
	LOCK_OWNED,
	LOCK_HANDED,
	LOCK_OWNER_UNKNOWN,
};

#ifdef CONFIG_SCHED_PROXY_EXEC

DECLARE_STATIC_KEY_TRUE(__sched_proxy_exec);

static inline bool sched_proxy_exec(void)
{
	return static_branch_likely(&__sched_proxy_exec);
}

enum lock_owner_state mutex_lock_owner(struct mutex *lock,
				       struct task_struct **owner);
enum lock_owner_state rwsem_lock_owner(struct rw_semaphore *sem,
				       struct task_struct **owner);
struct task_struct *__sched_proxy_waiter(unsigned long word);
void __sched_proxy_unlock(unsigned long word, struct task_struct *next);
void __sched_proxy_handed(unsigned long word, struct task_struct *to);
void sched_proxy_show_blocked(struct task_struct *p);

#else /* !CONFIG_SCHED_PROXY_EXEC */

static inline bool sched_proxy_exec(void)
{
	return false;
}

static inline struct task_struct *__sched_proxy_waiter(unsigned long word)
{
	return NULL;
}

static inline void __sched_proxy_unlock(unsigned long word,
					struct task_struct *next)
{
}

static inline void __sched_proxy_handed(unsigned long word,
					struct task_struct *to)
{
}

static inline void sched_proxy_show_blocked(struct task_struct *p)
{
}

#endif /* CONFIG_SCHED_PROXY_EXEC */

/**
 * sched_proxy_waiter - who pays for current to release this lock?
 * @type: kind of @lock
 * @lock: the lock, which current owns
 *
 * Context: any, preemption off. The task can be looked at until preemption is
 * back on. That it still waits for @lock is certain only if task_blocked_on()
 * says so under the wait_lock of @lock.
 *
 * Return: the waiter of @lock on whose behalf current runs, or %NULL.
 */
static inline struct task_struct *sched_proxy_waiter(enum blocked_on_type type,
						     const void *lock)
{
	return sched_proxy_exec() ?
		__sched_proxy_waiter(blocked_on_word(type, lock)) : NULL;
}

/**
 * sched_proxy_handed - a lock goes to the waiter that has paid for it
 * @type: kind of @lock
 * @lock: the lock, which current still owned
 * @to: the waiter that it was handed to, see sched_proxy_waiter()
 *
 * For the statistics only. Context: any, preemption off.
 */
static inline void sched_proxy_handed(enum blocked_on_type type,
				      const void *lock, struct task_struct *to)
{
	if (sched_proxy_exec())
		__sched_proxy_handed(blocked_on_word(type, lock), to);
}

/**
 * sched_proxy_unlock - current has given up a lock, or given up waiting for it
 * @type: kind of @lock
 * @lock: the lock
 * @next: the waiter that was woken to take it, or %NULL if there is none, or
 *	none that could own it alone
 *
 * Has current rescheduled if it was running for a waiter of this lock. That
 * waiter need not be among those that were woken. Waiters that are parked on
 * current because of @lock are parked on @next, or find the owner themselves.
 *
 * Context: any, preemption off since @next was found to be a waiter, no
 * wait_lock held; best before the wakeups, so that @next comes with the others.
 */
static inline void sched_proxy_unlock(enum blocked_on_type type,
				      const void *lock,
				      struct task_struct *next)
{
	if (sched_proxy_exec())
		__sched_proxy_unlock(blocked_on_word(type, lock), next);
}

#endif /* _LINUX_SCHED_PROXY_H */
