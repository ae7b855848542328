// SPDX-License-Identifier: GPL-2.0
/*
 * What locks cost, for dev/bench/benchmark.sh. Not part of the series: it has to build for
 * kernels that know nothing of it, too.
 *
 * Write a command to /sys/kernel/debug/lockbench, read lines "NAME VALUE":
 *
 *   pair LOCK				lock and unlock, nobody else; LOCK is
 *					mutex, ww, read or write
 *   contend LOCK OWNER THREADS SECTION GAP OPS
 *					OPS sections of SECTION ns in all, GAP ns
 *					apart; OWNER spins, sleeps, or yields;
 *					switches and migrations are per section
 *   tree FANOUT DEPTH SPREAD SLEEPS ROUNDS
 *					a tree of tasks, each waiting for its
 *					parent's lock, on this CPU, where each has
 *					more priority than those before, or two
 *					others; the root is preempted, or sleeps
 *					and finds its CPU busy, and unlocks at last
 *
 * Times are in ns, of the clock that counts instructions under -icount.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/ww_mutex.h>
#include <uapi/linux/sched/types.h>

/* Where what is measured runs */
#define LB_CPU		(num_online_cpus() > 1 ? 1 : 0)
#define LB_BATCHES	64
#define LB_PAIRS	64

static DEFINE_WW_CLASS(lb_class);
static struct ww_mutex lb_ww;
static DECLARE_RWSEM(lb_sem);
static DEFINE_MUTEX(lb_mutex);

static char lb_result[4096];
static DEFINE_MUTEX(lb_serial);
static size_t lb_len;

static __printf(1, 2) void lb_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	lb_len += vscnprintf(lb_result + lb_len, sizeof(lb_result) - lb_len,
			     fmt, args);
	va_end(args);
}

static u64 lb_now(void)
{
	return local_clock();
}

static void lb_spin(u64 ns)
{
	u64 end = lb_now() + ns;

	while (lb_now() < end)
		cpu_relax();
}

static void lb_sleep(u64 ns)
{
	ktime_t t = ns_to_ktime(ns);

	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_hrtimeout_range(&t, 0, HRTIMER_MODE_REL);
}

/*
 * Threads and the end of them: when the last one is through, and when all are
 * gone. The one who waits does not run in between, and nobody is in the text of
 * this module any more when it returns.
 */
struct lb_crew {
	atomic_t running;	/* and one for who waits */
	int nr;
	struct completion last;
	struct completion gone;
};

static void lb_crew_init(struct lb_crew *crew)
{
	atomic_set(&crew->running, 1);
	crew->nr = 0;
	init_completion(&crew->last);
	init_completion(&crew->gone);
}

static void lb_crew_start(struct lb_crew *crew, struct task_struct *p)
{
	atomic_inc(&crew->running);
	crew->nr++;
	wake_up_process(p);
}

static void __noreturn lb_crew_end(struct lb_crew *crew)
{
	if (atomic_dec_and_test(&crew->running))
		complete(&crew->last);
	kthread_complete_and_exit(&crew->gone, 0);
}

/* Returns when the last one was through. */
static u64 lb_crew_wait(struct lb_crew *crew)
{
	u64 t;

	if (!atomic_dec_and_test(&crew->running))
		wait_for_completion(&crew->last);
	t = lb_now();
	while (crew->nr--)
		wait_for_completion(&crew->gone);
	return t;
}

enum lb_lock { LB_MUTEX, LB_WW, LB_READ, LB_WRITE, LB_NONE };
static const char * const lb_locks[] = { "mutex", "ww", "read", "write", NULL };

enum lb_owner { LB_SPIN, LB_SLEEP, LB_YIELD };
static const char * const lb_owners[] = { "spin", "sleep", "yield", NULL };

static __always_inline void lb_lock(enum lb_lock lock, struct ww_acquire_ctx *ctx)
{
	switch (lock) {
	case LB_MUTEX:
		mutex_lock(&lb_mutex);
		break;
	case LB_WW:
		ww_mutex_lock(&lb_ww, ctx);
		break;
	case LB_READ:
		down_read(&lb_sem);
		break;
	case LB_WRITE:
		down_write(&lb_sem);
		break;
	case LB_NONE:
		break;
	}
}

static __always_inline void lb_unlock(enum lb_lock lock)
{
	switch (lock) {
	case LB_MUTEX:
		mutex_unlock(&lb_mutex);
		break;
	case LB_WW:
		ww_mutex_unlock(&lb_ww);
		break;
	case LB_READ:
		up_read(&lb_sem);
		break;
	case LB_WRITE:
		up_write(&lb_sem);
		break;
	case LB_NONE:
		break;
	}
}

/* The shortest of many batches is one that nothing has interrupted. */
static __always_inline u64 lb_batch(enum lb_lock lock)
{
	u64 best = U64_MAX;
	int i, j;

	for (i = 0; i < LB_BATCHES; i++) {
		u64 t;

		preempt_disable();
		t = lb_now();
		for (j = 0; j < LB_PAIRS; j++) {
			lb_lock(lock, NULL);
			barrier();
			lb_unlock(lock);
		}
		t = lb_now() - t;
		preempt_enable();
		best = min(best, t);
	}

	return best;
}

static int lb_pair(enum lb_lock lock)
{
	u64 empty = lb_batch(LB_NONE), ns = 0;

	switch (lock) {
	case LB_MUTEX:
		ns = lb_batch(LB_MUTEX);
		break;
	case LB_WW:
		ns = lb_batch(LB_WW);
		break;
	case LB_READ:
		ns = lb_batch(LB_READ);
		break;
	case LB_WRITE:
		ns = lb_batch(LB_WRITE);
		break;
	case LB_NONE:
		break;
	}
	ns -= empty;
	lb_say("pair %llu.%02llu\n", ns / LB_PAIRS, ns % LB_PAIRS * 100 / LB_PAIRS);
	return 0;
}

/*
 * Contention
 */

struct lb_contend {
	enum lb_lock lock;
	enum lb_owner owner;
	u64 section;
	u64 gap;
	atomic_t left;
	struct completion start;
	struct lb_crew crew;
	atomic64_t waited;
	atomic64_t switches;
	atomic64_t migrations;
	u64 longest;		/* under lb_mutex or lb_sem */
};

static void lb_section(enum lb_owner owner, u64 ns)
{
	switch (owner) {
	case LB_SPIN:
		lb_spin(ns);
		break;
	case LB_SLEEP:
		lb_sleep(ns);
		break;
	case LB_YIELD:
		lb_spin(ns / 2);
		yield();
		lb_spin(ns / 2);
		break;
	}
}

static int lb_contend_thread(void *data)
{
	struct lb_contend *c = data;
	struct ww_acquire_ctx ctx;

	wait_for_completion(&c->start);
	while (atomic_dec_return(&c->left) >= 0) {
		u64 t = lb_now();

		if (c->lock == LB_WW)
			ww_acquire_init(&ctx, &lb_class);
		lb_lock(c->lock, &ctx);
		t = lb_now() - t;
		if (c->lock != LB_READ)
			c->longest = max(c->longest, t);
		lb_section(c->owner, c->section);
		lb_unlock(c->lock);
		if (c->lock == LB_WW)
			ww_acquire_fini(&ctx);
		atomic64_add(t, &c->waited);
		lb_spin(c->gap);
	}
	atomic64_add(current->nvcsw + current->nivcsw, &c->switches);
	atomic64_add(current->se.nr_migrations, &c->migrations);
	lb_crew_end(&c->crew);
}

static void lb_say_per_op(const char *what, u64 n, int ops)
{
	u64 hundredths = div_u64(n * 100, ops);

	lb_say("%s %llu.%02llu\n", what, hundredths / 100, hundredths % 100);
}

static int lb_contend(enum lb_lock lock, enum lb_owner owner, int threads,
		      u64 section, u64 gap, int ops)
{
	struct lb_contend c = {
		.lock = lock, .owner = owner, .section = section, .gap = gap,
		.left = ATOMIC_INIT(ops),
	};
	struct task_struct *t;
	u64 start;
	int i;

	if (threads < 1 || threads > 1024)
		return -EINVAL;
	init_completion(&c.start);
	lb_crew_init(&c.crew);
	for (i = 0; i < threads; i++) {
		t = kthread_create(lb_contend_thread, &c, "lb/%d", i);
		if (IS_ERR(t))
			break;
		lb_crew_start(&c.crew, t);
	}
	lb_sleep(2 * NSEC_PER_MSEC);
	start = lb_now();
	complete_all(&c.start);
	start = lb_crew_wait(&c.crew) - start;
	if (i < threads)
		return -ENOMEM;

	lb_say("op %llu\n", div_u64(start, ops));
	lb_say("wait %llu\n", div_u64(atomic64_read(&c.waited), ops));
	lb_say("longest %llu\n", c.longest);
	lb_say_per_op("switches", atomic64_read(&c.switches), ops);
	lb_say_per_op("migrations", atomic64_read(&c.migrations), ops);
	return 0;
}

/*
 * Trees, of which a chain is one: each task holds a lock of its own and waits for
 * that of its parent. The root runs, or sleeps, with its lock held.
 */

struct lb_node {
	struct mutex lock;
	struct lb_node *parent;
	struct lb_tree *tree;
	struct task_struct *task;
};

struct lb_tree {
	struct lb_node *node;
	struct task_struct *ticker;
	int rounds;
	bool sleeps;		/* the root, instead of being preempted */
	bool spins;		/* while the others come */
	u64 sleep;		/* of the ticker, or the root */
	atomic_t ready;		/* tasks that are about to wait */
	struct lb_crew crew;
	bool go;
	bool stop;
	unsigned long ticks;
	u64 gap;		/* shortest and longest without the root */
	u64 worst;
	u64 unlock;
	u64 begin;
};

static void lb_fifo(struct task_struct *p, int prio)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = prio,
	};

	sched_setattr_nocheck(p, &attr);
}

static void lb_nice(struct task_struct *p, int nice)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_NORMAL,
		.sched_nice = nice,
	};

	sched_setattr_nocheck(p, &attr);
}

static void lb_saw(struct lb_tree *tree, u64 gap)
{
	tree->gap = min(tree->gap, gap);
	tree->worst = max(tree->worst, gap);
}

/* Preempts the root, or keeps it from running when it wakes up. */
static int lb_ticker(void *data)
{
	struct lb_tree *tree = data;

	while (!READ_ONCE(tree->stop)) {
		if (tree->sleeps) {
			lb_spin(10 * NSEC_PER_USEC);
			cond_resched();
		} else {
			lb_sleep(tree->sleep);
			WRITE_ONCE(tree->ticks, tree->ticks + 1);
		}
	}
	lb_crew_end(&tree->crew);
}

static void lb_root_preempted(struct lb_tree *tree)
{
	unsigned long ticks = READ_ONCE(tree->ticks);
	u64 now, step, before = 0, last = lb_now();
	int n = 0;

	while (n < tree->rounds) {
		now = lb_now();
		step = now - last;
		if (READ_ONCE(tree->ticks) != ticks) {
			/* It came in this step, or between the clock and this. */
			ticks = READ_ONCE(tree->ticks);
			last = now;
			now = lb_now();
			lb_saw(tree, max3(before, step, now - last));
			n++;
		}
		before = step;
		last = now;
	}
}

static void lb_root_sleeps(struct lb_tree *tree)
{
	int n;

	for (n = 0; n < tree->rounds; n++) {
		u64 due = lb_now() + tree->sleep;

		lb_sleep(tree->sleep);
		lb_saw(tree, lb_now() - due);
	}
}

static int lb_root(void *data)
{
	struct lb_node *node = data;
	struct lb_tree *tree = node->tree;
	u64 t;

	mutex_lock(&node->lock);
	atomic_inc(&tree->ready);
	/*
	 * One that never sleeps keeps all that wait on its CPU queued. QEMU takes
	 * long over a pause.
	 */
	while (!READ_ONCE(tree->go)) {
		if (!tree->spins)
			lb_sleep(NSEC_PER_MSEC);
	}
	if (tree->sleeps)
		lb_root_sleeps(tree);
	else
		lb_root_preempted(tree);
	WRITE_ONCE(tree->stop, true);

	/* Nobody else on this CPU while it unlocks */
	lb_fifo(current, 98);
	tree->begin = lb_now();
	mutex_unlock(&node->lock);
	t = lb_now();
	tree->unlock = t - tree->begin;
	lb_crew_end(&tree->crew);
}

static int lb_child(void *data)
{
	struct lb_node *node = data;

	mutex_lock(&node->lock);
	atomic_inc(&node->tree->ready);
	mutex_lock(&node->parent->lock);
	mutex_unlock(&node->parent->lock);
	mutex_unlock(&node->lock);
	lb_crew_end(&node->tree->crew);
}

static void lb_start(struct lb_tree *tree, struct task_struct *p, int cpu, int prio)
{
	kthread_bind(p, cpu);
	if (prio)
		lb_fifo(p, prio);
	lb_crew_start(&tree->crew, p);
}

/* All of them before the first runs: kthreadd may have to wait for a CPU then. */
static int lb_tree_make(struct lb_tree *tree, int nr)
{
	struct task_struct *p;
	int i;

	for (i = 0; i < nr; i++) {
		p = kthread_create(i ? lb_child : lb_root, &tree->node[i],
				   i ? "lb/w" : "lb/root");
		if (IS_ERR(p))
			break;
		tree->node[i].task = p;
	}
	if (i == nr) {
		p = kthread_create(lb_ticker, tree, "lb/ticker");
		if (!IS_ERR(p)) {
			tree->ticker = p;
			return 0;
		}
	}
	while (i--)
		kthread_stop(tree->node[i].task);

	return -ENOMEM;
}

/* Until @nr are about to wait, and then until they do */
static void lb_settle(struct lb_tree *tree, int nr)
{
	while (atomic_read(&tree->ready) < nr)
		lb_sleep(NSEC_PER_MSEC);
	lb_sleep(NSEC_PER_MSEC);
}

static int lb_tree(int fanout, int depth, bool spread, bool sleeps, int rounds)
{
	struct lb_tree *tree;
	int i, ret, nr = 1, level = 1;
	u64 drained;

	if (fanout < 1 || depth < 0 || rounds < 1)
		return -EINVAL;
	for (i = 0; i < depth; i++) {
		level *= fanout;
		nr += level;
		if (nr > 4096)
			return -EINVAL;
	}

	tree = kzalloc(sizeof(*tree), GFP_KERNEL);
	if (!tree)
		return -ENOMEM;
	tree->node = kvcalloc(nr, sizeof(*tree->node), GFP_KERNEL);
	if (!tree->node) {
		kfree(tree);
		return -ENOMEM;
	}
	tree->rounds = rounds;
	tree->sleeps = sleeps;
	tree->spins = !sleeps && !spread;
	tree->sleep = (sleeps ? 200 : 50) * NSEC_PER_USEC;
	tree->gap = U64_MAX;
	lb_crew_init(&tree->crew);
	/* Not behind those it starts, if that is its CPU, too */
	lb_fifo(current, 95);

	for (i = 0; i < nr; i++) {
		struct lb_node *node = &tree->node[i];

		/* Lock classes are of no interest here: no lockdep. */
		mutex_init(&node->lock);
		node->tree = tree;
		node->parent = i ? &tree->node[(i - 1) / fanout] : NULL;
	}
	ret = lb_tree_make(tree, nr);
	if (ret)
		goto out;
	for (i = 0; i < nr; i++) {
		lb_start(tree, tree->node[i].task,
			 !i || !spread ? LB_CPU : (2 + i % 2) % nr_cpu_ids,
			 i && tree->spins ? min(i, 89) : 0);
		/* One level at a time: its parent's lock has been taken. */
		if (!i)
			lb_nice(tree->node[i].task, 19);
		if (fanout == 1 || !i)
			lb_settle(tree, i + 1);
	}
	lb_settle(tree, nr);
	/* The last one is in a hurry. */
	if (nr > 1 && !tree->spins)
		lb_fifo(tree->node[nr - 1].task, 50);
	lb_start(tree, tree->ticker, LB_CPU, sleeps ? 0 : 90);
	WRITE_ONCE(tree->go, true);
	drained = lb_crew_wait(&tree->crew) - tree->begin;

	lb_say("gap %llu\n", tree->gap);
	lb_say("worst %llu\n", tree->worst);
	lb_say("unlock %llu\n", tree->unlock);
	if (nr > 1)
		lb_say("drain %llu\n", div_u64(drained, nr - 1));
out:
	lb_nice(current, 0);
	kvfree(tree->node);
	kfree(tree);
	return ret;
}

static int lb_command(char *line)
{
	char word[3][16];
	int a, b, c, d, e, lock, owner;

	if (sscanf(line, "pair %15s", word[0]) == 1) {
		lock = match_string(lb_locks, -1, word[0]);
		return lock < 0 ? lock : lb_pair(lock);
	}
	if (sscanf(line, "contend %15s %15s %d %d %d %d", word[0], word[1],
		   &a, &b, &c, &d) == 6) {
		lock = match_string(lb_locks, -1, word[0]);
		owner = match_string(lb_owners, -1, word[1]);
		if (lock < 0 || owner < 0)
			return -EINVAL;
		return lb_contend(lock, owner, a, b, c, d);
	}
	if (sscanf(line, "tree %d %d %d %d %d", &a, &b, &c, &d, &e) == 5)
		return lb_tree(a, b, c, d, e);

	return -EINVAL;
}

static ssize_t lb_write(struct file *file, const char __user *buf, size_t len,
			loff_t *ppos)
{
	char line[128];
	int ret;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = 0;

	mutex_lock(&lb_serial);
	lb_len = 0;
	ret = lb_command(line);
	mutex_unlock(&lb_serial);
	return ret ?: len;
}

static ssize_t lb_read(struct file *file, char __user *buf, size_t len,
		       loff_t *ppos)
{
	ssize_t ret;

	mutex_lock(&lb_serial);
	ret = simple_read_from_buffer(buf, len, ppos, lb_result, lb_len);
	mutex_unlock(&lb_serial);
	return ret;
}

static const struct file_operations lb_fops = {
	.owner = THIS_MODULE,
	.write = lb_write,
	.read = lb_read,
};

static struct dentry *lb_file;

static int __init lb_init(void)
{
	ww_mutex_init(&lb_ww, &lb_class);
	lb_file = debugfs_create_file("lockbench", 0600, NULL, NULL, &lb_fops);
	return PTR_ERR_OR_ZERO(lb_file);
}
module_init(lb_init);

static void __exit lb_exit(void)
{
	debugfs_remove(lb_file);
}
module_exit(lb_exit);

MODULE_DESCRIPTION("Lock benchmarks");
MODULE_LICENSE("GPL");
