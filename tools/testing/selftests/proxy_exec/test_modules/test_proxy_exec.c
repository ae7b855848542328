// SPDX-License-Identifier: GPL-2.0
/*
 * Scripted lock sequences for the proxy execution selftests.
 *
 * A caller hands in a list of operations and gets result, time and CPU of each
 * back. The whole list runs inside one ioctl and whatever is still locked at
 * its end is unlocked, so a test may be killed at any point and no lock is
 * ever held in user space.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/ww_mutex.h>

#include "test_proxy_exec.h"

/* A longer step of the clock means that another task ran meanwhile. */
#define TPE_GAP_NS	(30 * NSEC_PER_USEC)

#define TPE_WORK_NS	(20 * NSEC_PER_USEC)

static DEFINE_WD_CLASS(tpe_wd_class);
static DEFINE_WW_CLASS(tpe_ww_class);

struct tpe_slot {
	atomic64_t burned;
	u32 pc;
};

/* All state of one open file. */
struct tpe_ctx {
	struct mutex mutex[TPE_MUTEXES];	/* these are what the scripts lock */
	struct rw_semaphore rwsem[TPE_RWSEMS];
	struct ww_mutex ww[TPE_WW];
	DECLARE_BITMAP(flags, TPE_FLAGS);
	wait_queue_head_t wait;
	struct tpe_slot slot[TPE_SLOTS];
};

/* One script on its way. */
struct tpe_run {
	struct tpe_ctx *ctx;
	struct tpe_slot *slot;
	struct tpe_op *ops;
	u32 nr;
	u32 pc;
	DECLARE_BITMAP(mutexes, TPE_MUTEXES);
	DECLARE_BITMAP(readers, TPE_RWSEMS);
	DECLARE_BITMAP(writers, TPE_RWSEMS);
	DECLARE_BITMAP(wws, TPE_WW);
	struct ww_acquire_ctx ww_ctx;
	struct ww_class *ww_class;	/* NULL: no ww_ctx */
	struct tpe_works *works;
	bool pinned;			/* by migrate_disable() */
};

struct tpe_work {
	struct work_struct work;
	struct mutex *lock;	/* one of tpe_ctx::mutex */
};

struct tpe_works {
	struct workqueue_struct *wq;
	struct work_struct ping;
	struct completion pinged;
	struct tpe_work work[TPE_MAX_WORKS];
};

/*
 * Burn CPU time of the calling task. The scheduler's own accounting is what
 * the tests examine, so count by the clock and leave out the steps in which
 * the caller was preempted.
 */
static int tpe_burn_until(struct tpe_run *run, u64 ns, unsigned long *flags,
			  unsigned int flag)
{
	u64 done = 0, last = local_clock();

	while (done < ns) {
		u64 now, step;

		if (flags && test_bit(flag, flags))
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		cpu_relax();
		now = local_clock();
		step = now - last;
		last = now;
		if (step >= TPE_GAP_NS)
			continue;
		done += step;
		if (run)
			atomic64_add(step, &run->slot->burned);
	}
	return flags ? -ETIMEDOUT : 0;
}

static int tpe_mutex_lock(struct tpe_run *run, const struct tpe_op *op)
{
	struct mutex *lock = &run->ctx->mutex[op->arg];
	int ret = 0;

	/* Locking twice is a deadlock, only for those who can be killed. */
	if (test_bit(op->arg, run->mutexes) && op->mode != TPE_KILLABLE)
		return -EALREADY;

	switch (op->mode) {
	case TPE_INTERRUPTIBLE:
		ret = mutex_lock_interruptible_nested(lock, op->subclass);
		break;
	case TPE_KILLABLE:
		ret = mutex_lock_killable_nested(lock, op->subclass);
		break;
	case TPE_IO:
		mutex_lock_io_nested(lock, op->subclass);
		break;
	default:
		mutex_lock_nested(lock, op->subclass);
		break;
	}
	if (!ret && test_bit(op->arg, run->mutexes)) {
		/* Its first waiter is its owner: granted, but one unlock. */
		mutex_release(&lock->dep_map, _THIS_IP_);
		return -EALREADY;
	}
	if (!ret)
		__set_bit(op->arg, run->mutexes);
	return ret;
}

static int tpe_mutex_unlock(struct tpe_run *run, unsigned int nr)
{
	if (!__test_and_clear_bit(nr, run->mutexes))
		return -EPERM;
	mutex_unlock(&run->ctx->mutex[nr]);
	return 0;
}

static int tpe_down_read(struct tpe_run *run, const struct tpe_op *op)
{
	struct rw_semaphore *sem = &run->ctx->rwsem[op->arg];

	if (test_bit(op->arg, run->readers) || test_bit(op->arg, run->writers))
		return -EALREADY;
	if (op->mode == TPE_UNINTERRUPTIBLE)
		down_read(sem);
	else if (down_read_killable(sem))
		return -EINTR;
	__set_bit(op->arg, run->readers);
	return 0;
}

static int tpe_down_write(struct tpe_run *run, const struct tpe_op *op)
{
	struct rw_semaphore *sem = &run->ctx->rwsem[op->arg];

	if (test_bit(op->arg, run->readers) ||
	    (test_bit(op->arg, run->writers) && op->mode != TPE_KILLABLE))
		return -EALREADY;
	if (op->mode == TPE_UNINTERRUPTIBLE)
		down_write_nested(sem, op->subclass);
	else if (down_write_killable_nested(sem, op->subclass))
		return -EINTR;
	__set_bit(op->arg, run->writers);
	return 0;
}

static int tpe_up(struct tpe_run *run, unsigned int nr)
{
	if (__test_and_clear_bit(nr, run->readers))
		up_read(&run->ctx->rwsem[nr]);
	else if (__test_and_clear_bit(nr, run->writers))
		up_write(&run->ctx->rwsem[nr]);
	else
		return -EPERM;
	return 0;
}

static void tpe_ww_unlock_all(struct tpe_run *run)
{
	unsigned int nr;

	for_each_set_bit(nr, run->wws, TPE_WW)
		ww_mutex_unlock(&run->ctx->ww[nr]);
	bitmap_zero(run->wws, TPE_WW);
}

static void tpe_ww_fini(struct tpe_run *run)
{
	tpe_ww_unlock_all(run);
	if (run->ww_class)
		ww_acquire_fini(&run->ww_ctx);
	run->ww_class = NULL;
}

static struct ww_class *tpe_ww_class_of(unsigned int nr)
{
	return nr < TPE_WW_CLASS ? &tpe_wd_class : &tpe_ww_class;
}

/*
 * Back-off as ww_mutex users do it: drop everything, sleep on the contended
 * lock alone, then take the others again from the operation named in val.
 */
static int tpe_ww_backoff(struct tpe_run *run, const struct tpe_op *op)
{
	struct ww_mutex *lock = &run->ctx->ww[op->arg];
	int ret = 0;

	tpe_ww_unlock_all(run);
	if (op->mode == TPE_INTERRUPTIBLE)
		ret = ww_mutex_lock_slow_interruptible(lock, &run->ww_ctx);
	else
		ww_mutex_lock_slow(lock, &run->ww_ctx);
	if (ret)
		return ret;
	__set_bit(op->arg, run->wws);
	run->pc = op->val;
	return -EDEADLK;
}

static int tpe_ww_lock(struct tpe_run *run, const struct tpe_op *op)
{
	struct ww_mutex *lock = &run->ctx->ww[op->arg];
	struct ww_class *class = tpe_ww_class_of(op->arg);
	int ret;

	/* Already taken by the back-off. */
	if (test_bit(op->arg, run->wws))
		return 0;
	if (run->ww_class && run->ww_class != class)
		return -EINVAL;
	if (!run->ww_class)
		ww_acquire_init(&run->ww_ctx, class);
	run->ww_class = class;

	if (op->mode == TPE_INTERRUPTIBLE)
		ret = ww_mutex_lock_interruptible(lock, &run->ww_ctx);
	else
		ret = ww_mutex_lock(lock, &run->ww_ctx);
	if (ret == -EDEADLK)
		return tpe_ww_backoff(run, op);
	if (!ret)
		__set_bit(op->arg, run->wws);
	return ret;
}

static void tpe_work_fn(struct work_struct *work)
{
	struct tpe_work *w = container_of(work, struct tpe_work, work);

	mutex_lock(w->lock);
	tpe_burn_until(NULL, TPE_WORK_NS, NULL, 0);
	mutex_unlock(w->lock);
}

static void tpe_ping_fn(struct work_struct *work)
{
	complete(&container_of(work, struct tpe_works, ping)->pinged);
}

static void tpe_works_fini(struct tpe_run *run)
{
	if (!run->works)
		return;
	destroy_workqueue(run->works->wq);
	kfree(run->works);
	run->works = NULL;
}

/*
 * Hold a mutex, let many works of one worker pool block on it, and wait for a
 * work of the same pool that does not want it. It runs only if the pool
 * learned that its workers sleep.
 */
static int tpe_works(struct tpe_run *run, const struct tpe_op *op)
{
	int cpu = raw_smp_processor_id();
	struct tpe_works *works;
	unsigned int i;

	if (run->works || !test_bit(op->arg, run->mutexes))
		return -EPERM;
	works = kzalloc(sizeof(*works), GFP_KERNEL);
	if (!works)
		return -ENOMEM;
	works->wq = alloc_workqueue("test_proxy_exec", 0, 0);
	if (!works->wq) {
		kfree(works);
		return -ENOMEM;
	}
	run->works = works;

	for (i = 0; i < op->val; i++) {
		works->work[i].lock = &run->ctx->mutex[op->arg];
		INIT_WORK(&works->work[i].work, tpe_work_fn);
		queue_work_on(cpu, works->wq, &works->work[i].work);
	}
	init_completion(&works->pinged);
	INIT_WORK(&works->ping, tpe_ping_fn);
	queue_work_on(cpu, works->wq, &works->ping);
	if (!wait_for_completion_timeout(&works->pinged, 5 * HZ))
		return -ETIME;
	return 0;
}

static int tpe_sleep(u64 ns)
{
	ktime_t timeout = ns_to_ktime(ns);

	set_current_state(TASK_INTERRUPTIBLE);
	schedule_hrtimeout_range(&timeout, 0, HRTIMER_MODE_REL);
	return signal_pending(current) ? -EINTR : 0;
}

static int tpe_set(struct tpe_ctx *ctx, unsigned int flag)
{
	set_bit(flag, ctx->flags);
	wake_up_all(&ctx->wait);
	return 0;
}

static int tpe_wait(struct tpe_ctx *ctx, unsigned int flag)
{
	if (wait_event_interruptible(ctx->wait, test_bit(flag, ctx->flags)))
		return -EINTR;
	return 0;
}

static int tpe_migrate_disable(struct tpe_run *run)
{
	if (!run->pinned)
		migrate_disable();
	run->pinned = true;
	return 0;
}

static int tpe_loop(struct tpe_run *run, struct tpe_op *op)
{
	if (op->runs < op->val)
		run->pc = op->arg;
	return 0;
}

/* An owner that yields is a case of its own; see yield() for who should not. */
static void (*const tpe_yield)(void) = yield;

static int tpe_do_op(struct tpe_run *run, struct tpe_op *op)
{
	struct tpe_ctx *ctx = run->ctx;

	switch (op->code) {
	case TPE_MUTEX_LOCK:
		return tpe_mutex_lock(run, op);
	case TPE_MUTEX_UNLOCK:
		return tpe_mutex_unlock(run, op->arg);
	case TPE_WW_LOCK:
		return tpe_ww_lock(run, op);
	case TPE_WW_FINI:
		tpe_ww_fini(run);
		return 0;
	case TPE_DOWN_READ:
		return tpe_down_read(run, op);
	case TPE_DOWN_WRITE:
		return tpe_down_write(run, op);
	case TPE_UP:
		return tpe_up(run, op->arg);
	case TPE_BURN:
		return tpe_burn_until(run, op->val, NULL, 0);
	case TPE_BURN_UNTIL:
		return tpe_burn_until(run, op->val, ctx->flags, op->arg);
	case TPE_SLEEP:
		return tpe_sleep(op->val);
	case TPE_SET:
		return tpe_set(ctx, op->arg);
	case TPE_WAIT:
		return tpe_wait(ctx, op->arg);
	case TPE_YIELD:
		tpe_yield();
		return 0;
	case TPE_LOOP:
		return tpe_loop(run, op);
	case TPE_WORKS:
		return tpe_works(run, op);
	case TPE_WORKS_FINI:
		if (!bitmap_empty(run->mutexes, TPE_MUTEXES))
			return -EPERM;
		tpe_works_fini(run);
		return 0;
	case TPE_MIGRATE_DISABLE:
		return tpe_migrate_disable(run);
	case TPE_RCU_TASKS:
		synchronize_rcu_tasks();
		return 0;
	default:
		return 0;
	}
}

/* An error ends the script, except those that are a result by themselves. */
static bool tpe_ends(int ret)
{
	return ret < 0 && ret != -EDEADLK && ret != -ETIMEDOUT;
}

static int tpe_step(struct tpe_run *run)
{
	struct tpe_op *op = &run->ops[run->pc++];

	WRITE_ONCE(run->slot->pc, run->pc);
	op->seen = atomic64_read(&run->ctx->slot[op->watch].burned);
	op->start = ktime_get_ns();
	op->ret = tpe_do_op(run, op);
	op->end = ktime_get_ns();
	op->cpu = raw_smp_processor_id();
	op->runs++;
	return op->ret;
}

static void tpe_unwind(struct tpe_run *run)
{
	unsigned int nr;

	for_each_set_bit(nr, run->mutexes, TPE_MUTEXES)
		mutex_unlock(&run->ctx->mutex[nr]);
	for_each_set_bit(nr, run->readers, TPE_RWSEMS)
		up_read(&run->ctx->rwsem[nr]);
	for_each_set_bit(nr, run->writers, TPE_RWSEMS)
		up_write(&run->ctx->rwsem[nr]);
	tpe_ww_fini(run);
	tpe_works_fini(run);
	if (run->pinned)
		migrate_enable();
}

static unsigned int tpe_arg_limit(const struct tpe_op *op, u32 nr)
{
	switch (op->code) {
	case TPE_MUTEX_LOCK:
	case TPE_MUTEX_UNLOCK:
	case TPE_WORKS:
		return TPE_MUTEXES;
	case TPE_WW_LOCK:
		return TPE_WW;
	case TPE_DOWN_READ:
	case TPE_DOWN_WRITE:
	case TPE_UP:
		return TPE_RWSEMS;
	case TPE_SET:
	case TPE_WAIT:
	case TPE_BURN_UNTIL:
		return TPE_FLAGS;
	case TPE_LOOP:
		return nr;
	default:
		return U32_MAX;
	}
}

static bool tpe_op_valid(struct tpe_op *op, u32 nr)
{
	op->runs = 0;
	op->ret = 0;
	if (op->code >= TPE_CODES || op->mode >= TPE_MODES ||
	    op->watch >= TPE_SLOTS || op->subclass >= MAX_LOCKDEP_SUBCLASSES)
		return false;
	if (op->code == TPE_WW_LOCK && op->val >= nr)
		return false;
	if (op->code == TPE_WORKS && op->val > TPE_MAX_WORKS)
		return false;
	return op->arg < tpe_arg_limit(op, nr);
}

static int tpe_run_ops(struct tpe_ctx *ctx, const struct tpe_script *script,
		       struct tpe_op *ops)
{
	struct tpe_run *run;
	int ret = 0;
	u32 i;

	for (i = 0; i < script->nr; i++) {
		if (!tpe_op_valid(&ops[i], script->nr))
			return -EINVAL;
	}
	run = kzalloc(sizeof(*run), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->ctx = ctx;
	run->slot = &ctx->slot[script->slot];
	run->ops = ops;
	run->nr = script->nr;

	while (run->pc < run->nr && !tpe_ends(ret))
		ret = tpe_step(run);

	tpe_unwind(run);
	WRITE_ONCE(run->slot->pc, 0);
	kfree(run);
	return tpe_ends(ret) ? ret : 0;
}

static long tpe_run_script(struct tpe_ctx *ctx, void __user *arg)
{
	struct tpe_script script;
	struct tpe_op *ops;
	long ret;

	if (copy_from_user(&script, arg, sizeof(script)))
		return -EFAULT;
	if (!script.nr || script.nr > TPE_MAX_OPS || script.slot >= TPE_SLOTS)
		return -EINVAL;
	ops = memdup_array_user(u64_to_user_ptr(script.ops), script.nr,
				sizeof(*ops));
	if (IS_ERR(ops))
		return PTR_ERR(ops);

	ret = tpe_run_ops(ctx, &script, ops);
	if (copy_to_user(u64_to_user_ptr(script.ops), ops,
			 array_size(script.nr, sizeof(*ops))))
		ret = -EFAULT;
	kfree(ops);
	return ret;
}

static long tpe_peek(struct tpe_ctx *ctx, void __user *arg)
{
	struct tpe_peek peek;

	if (copy_from_user(&peek, arg, sizeof(peek)))
		return -EFAULT;
	if (peek.slot >= TPE_SLOTS)
		return -EINVAL;
	peek.pc = READ_ONCE(ctx->slot[peek.slot].pc);
	peek.burned = atomic64_read(&ctx->slot[peek.slot].burned);
	return copy_to_user(arg, &peek, sizeof(peek)) ? -EFAULT : 0;
}

static long tpe_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tpe_ctx *ctx = file->private_data;

	switch (cmd) {
	case TPE_IOC_RUN:
		return tpe_run_script(ctx, (void __user *)arg);
	case TPE_IOC_PEEK:
		return tpe_peek(ctx, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int tpe_open(struct inode *inode, struct file *file)
{
	struct tpe_ctx *ctx = kvzalloc(sizeof(*ctx), GFP_KERNEL);
	unsigned int i;

	if (!ctx)
		return -ENOMEM;
	/* One place, one lock class: the nesting is told by the subclass. */
	for (i = 0; i < TPE_MUTEXES; i++)
		mutex_init(&ctx->mutex[i]);
	for (i = 0; i < TPE_RWSEMS; i++)
		init_rwsem(&ctx->rwsem[i]);
	for (i = 0; i < TPE_WW; i++)
		ww_mutex_init(&ctx->ww[i], tpe_ww_class_of(i));
	init_waitqueue_head(&ctx->wait);
	file->private_data = ctx;
	return 0;
}

static int tpe_release(struct inode *inode, struct file *file)
{
	struct tpe_ctx *ctx = file->private_data;
	unsigned int i;

	/* A script keeps the file open, so all locks are free by now. */
	for (i = 0; i < TPE_MUTEXES; i++)
		mutex_destroy(&ctx->mutex[i]);
	for (i = 0; i < TPE_WW; i++)
		ww_mutex_destroy(&ctx->ww[i]);
	kvfree(ctx);
	return 0;
}

static const struct file_operations tpe_fops = {
	.owner = THIS_MODULE,
	.open = tpe_open,
	.release = tpe_release,
	.unlocked_ioctl = tpe_ioctl,
};

static struct miscdevice tpe_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = TPE_DEVICE,
	.fops = &tpe_fops,
	.mode = 0600,
};
module_misc_device(tpe_misc);

MODULE_AUTHOR("Proxy Execution Developers");
MODULE_DESCRIPTION("Scripted lock sequences for the proxy execution selftests");
MODULE_LICENSE("GPL");
