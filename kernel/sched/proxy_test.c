// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what proxy execution does with given chains and lists. Neither
 * tasks nor runqueue are real, and nothing of this is known to the scheduler.
 * Included by proxy.c, for its static functions.
 */

#include <kunit/test.h>

#define TEST_TASKS	(PROXY_MAX_DEPTH + 8)
#define TEST_CPU	0

/* Flags of an owner, as in kernel/locking/mutex.c and rwsem.c */
#define TEST_MUTEX_WAITERS	1
#define TEST_MUTEX_HANDOFF	2
#define TEST_MUTEX_PICKUP	4
#define TEST_RWSEM_READER	1

struct proxy_test {
	struct rq		rq;
	struct mutex		mutex[TEST_TASKS];	/* of which only the owner matters */
	struct rw_semaphore	rwsem;
	struct task_struct	*task[TEST_TASKS];
	struct task_struct	*end;
	struct task_struct	*waiter;
	unsigned int		depth;
};

/* Tasks that are runnable on TEST_CPU, and mutexes that nobody has */
static int proxy_test_init(struct kunit *test)
{
	struct proxy_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	raw_spin_lock_init(&t->rq.__lock);
#ifdef CONFIG_SMP
	t->rq.cpu = TEST_CPU;
#endif
#ifdef CONFIG_SCHED_CORE
	t->rq.core = &t->rq;
#endif
	proxy_init_queue(&t->rq.proxy_outbox, true);
	INIT_LIST_HEAD(&t->rq.proxy_pending);
	init_rwsem(&t->rwsem);
	for (i = 0; i < TEST_TASKS; i++) {
		struct task_struct *p;

		p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		proxy_fork(p);
		raw_spin_lock_init(&p->pi_lock);
		p->pid = i + 1;
		p->prio = DEFAULT_PRIO;
		p->on_rq = TASK_ON_RQ_QUEUED;
		p->sched_class = &fair_sched_class;
#ifdef CONFIG_CGROUP_SCHED
		p->sched_task_group = current->sched_task_group;
#endif
#ifdef CONFIG_SMP
		task_thread_info(p)->cpu = TEST_CPU;
#endif
		t->task[i] = p;
		mutex_init(&t->mutex[i]);
	}
	return 0;
}

/* The table of what is parked is not theirs alone. */
static void proxy_test_exit(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	int i;

	for (i = 0; t && i < TEST_TASKS && t->task[i]; i++) {
		guard(raw_spinlock_irqsave)(&t->task[i]->pi_lock);
		t->task[i]->proxy.home = -1;
		__proxy_claim(t->task[i]);
	}
}

static void test_own(struct proxy_test *t, int mutex, int task, unsigned long flags)
{
	atomic_long_set(&t->mutex[mutex].owner,
			(unsigned long)t->task[task] | flags);
}

static void test_block_on(struct proxy_test *t, int task, unsigned long word)
{
	t->task[task]->blocked_on = word;
	t->task[task]->proxy.blocked = true;
}

static void test_block(struct proxy_test *t, int task, int mutex)
{
	test_block_on(t, task, blocked_on_word(BLOCKED_ON_MUTEX, &t->mutex[mutex]));
}

/* Task 0 waits for 1, which waits for 2, and so on; the last one can run. */
static void test_chain(struct proxy_test *t, int links)
{
	int i;

	for (i = 0; i < links; i++) {
		test_own(t, i, i + 1, TEST_MUTEX_WAITERS);
		test_block(t, i, i);
	}
}

static enum proxy_stat test_walk(struct proxy_test *t)
{
	enum proxy_stat what;
	unsigned long flags;

	t->end = t->task[0];
	raw_spin_lock_irqsave(&t->rq.__lock, flags);
	what = proxy_walk(&t->rq, &t->end, &t->waiter, &t->depth);
	raw_spin_unlock_irqrestore(&t->rq.__lock, flags);
	return what;
}

static void expect_walk(struct kunit *test, enum proxy_stat what, int last,
			unsigned int links)
{
	struct proxy_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, test_walk(t), what);
	KUNIT_EXPECT_PTR_EQ(test, t->end, t->task[last]);
	KUNIT_EXPECT_EQ(test, t->depth, links);
}

static void walk_one(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 1);
	expect_walk(test, PROXY_HOPS, 1, 1);
	KUNIT_EXPECT_PTR_EQ(test, t->waiter, t->task[0]);
}

static void walk_chain(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 7);
	expect_walk(test, PROXY_HOPS, 7, 7);
	KUNIT_EXPECT_PTR_EQ(test, t->waiter, t->task[6]);
}

static void walk_bound(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, PROXY_MAX_DEPTH);
	expect_walk(test, PROXY_HOPS, PROXY_MAX_DEPTH, PROXY_MAX_DEPTH);
	/* One more */
	test_chain(t, PROXY_MAX_DEPTH + 1);
	expect_walk(test, PROXY_DEGRADED_DEPTH, PROXY_MAX_DEPTH,
		    PROXY_MAX_DEPTH + 1);
}

static void walk_cycle(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	/* Into a cycle that does not lead back to where it began */
	test_chain(t, 4);
	test_own(t, 4, 2, 0);
	test_block(t, 4, 4);
	expect_walk(test, PROXY_DEGRADED_CYCLE, 4, 5);
}

static void walk_cycle_of_one(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	test_own(t, 2, 2, 0);
	test_block(t, 2, 2);
	expect_walk(test, PROXY_DEGRADED_CYCLE, 2, 2);
}

/* A waiter of the cycle, not one on the way to it, waits for a ww_mutex. */
static void walk_cycle_of_ww(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 4);
	test_own(t, 4, 2, 0);
	test_block(t, 4, 4);
	t->task[1]->proxy.backs_off = true;
	expect_walk(test, PROXY_DEGRADED_CYCLE, 4, 5);
	t->task[3]->proxy.backs_off = true;
	expect_walk(test, PROXY_DEGRADED_BUSY, 4, 5);
	t->task[3]->proxy.backs_off = false;
	t->task[4]->proxy.backs_off = true;
	expect_walk(test, PROXY_DEGRADED_BUSY, 4, 5);
}

/* Another walk came by before: its stamps are not those of this one. */
static void walk_again(struct kunit *test)
{
	test_chain(test->priv, 3);
	expect_walk(test, PROXY_HOPS, 3, 3);
	expect_walk(test, PROXY_HOPS, 3, 3);
}

static void walk_unlocked(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	atomic_long_set(&t->mutex[1].owner, TEST_MUTEX_WAITERS);
	expect_walk(test, PROXY_UNBLOCKED, 1, 1);
	KUNIT_EXPECT_PTR_EQ(test, t->waiter, t->task[0]);
}

static void walk_handed_to_waiter(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	test_own(t, 1, 1, TEST_MUTEX_PICKUP);
	expect_walk(test, PROXY_UNBLOCKED, 1, 1);
}

/* It has to run to take it. */
static void walk_handed_to_other(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	test_own(t, 1, 5, TEST_MUTEX_PICKUP);
	expect_walk(test, PROXY_HOPS, 5, 2);
}

static void walk_handoff_wanted(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	test_own(t, 1, 2, TEST_MUTEX_WAITERS | TEST_MUTEX_HANDOFF);
	expect_walk(test, PROXY_HOPS, 2, 2);
}

static void walk_writer(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 1);
	test_block_on(t, 1, blocked_on_word(BLOCKED_ON_RWSEM, &t->rwsem));
	atomic_long_set(&t->rwsem.owner, (unsigned long)t->task[2]);
	expect_walk(test, PROXY_HOPS, 2, 2);
}

static void walk_reader(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 1);
	test_block_on(t, 1, blocked_on_word(BLOCKED_ON_RWSEM, &t->rwsem));
	atomic_long_set(&t->rwsem.owner,
			(unsigned long)t->task[2] | TEST_RWSEM_READER);
	expect_walk(test, PROXY_DEGRADED_UNKNOWN, 1, 1);
	atomic_long_set(&t->rwsem.owner, 0);
	expect_walk(test, PROXY_DEGRADED_UNKNOWN, 1, 1);
}

static void walk_unknown_type(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 1);
	test_block_on(t, 1, (unsigned long)&t->mutex[1] | BLOCKED_ON_TYPE_MASK);
	expect_walk(test, PROXY_DEGRADED_UNKNOWN, 1, 1);
}

static void walk_asleep(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 3);
	t->task[3]->on_rq = 0;
	expect_walk(test, PROXY_AWAY, 2, 2);
	t->task[3]->on_rq = TASK_ON_RQ_MIGRATING;
	expect_walk(test, PROXY_AWAY, 2, 2);
	t->task[3]->on_rq = TASK_ON_RQ_QUEUED;
	t->task[3]->se.sched_delayed = 1;
	expect_walk(test, PROXY_AWAY, 2, 2);
	t->task[3]->se.sched_delayed = 0;
	expect_walk(test, PROXY_HOPS, 3, 3);
}

static void walk_class(struct kunit *test)
{
	static const struct sched_class * const class[] = {
		&fair_sched_class, &rt_sched_class, &dl_sched_class,
	};
	struct proxy_test *t = test->priv;
	int i;

	test_chain(t, 2);
	for (i = 0; i < ARRAY_SIZE(class); i++) {
		t->task[2]->sched_class = class[i];
		expect_walk(test, PROXY_HOPS, 2, 2);
	}
	t->task[2]->sched_class = &idle_sched_class;
	expect_walk(test, PROXY_DEGRADED_CLASS, 1, 1);
#ifdef CONFIG_SCHED_CLASS_EXT
	t->task[2]->sched_class = &ext_sched_class;
	expect_walk(test, PROXY_DEGRADED_CLASS, 1, 1);
#endif
}

#ifdef CONFIG_SMP
static void walk_other_cpu(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 3);
	task_thread_info(t->task[2])->cpu = TEST_CPU + 1;
	expect_walk(test, PROXY_AWAY, 1, 1);
}

/* Carried here, and now it could run: not here. */
static void walk_unlocked_not_at_home(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_chain(t, 2);
	t->task[1]->proxy.home = TEST_CPU + 1;
	expect_walk(test, PROXY_HOPS, 2, 2);
	atomic_long_set(&t->mutex[1].owner, TEST_MUTEX_WAITERS);
	expect_walk(test, PROXY_AWAY, 1, 1);
}

static unsigned long test_word(struct proxy_test *t, int mutex)
{
	return blocked_on_word(BLOCKED_ON_MUTEX, &t->mutex[mutex]);
}

static void test_claim(struct proxy_test *t, int task)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&t->task[task]->pi_lock, flags);
	__proxy_claim(t->task[task]);
	raw_spin_unlock_irqrestore(&t->task[task]->pi_lock, flags);
}

/* Park @task, which waits for a lock, on @owner. */
static void test_park(struct kunit *test, int task, int owner, int key, bool done)
{
	struct proxy_test *t = test->priv;
	unsigned long flags;
	bool was_done;

	local_irq_save(flags);
	was_done = proxy_park(t->task[task], t->task[owner], false, key);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, done, was_done);
	KUNIT_EXPECT_EQ(test, done, !!t->task[task]->proxy.queue);
	if (was_done && !done)
		test_claim(t, task);
}

static void test_block_and_park(struct kunit *test, int task, int mutex,
				int owner, int key)
{
	test_block(test->priv, task, mutex);
	test_park(test, task, owner, key, true);
}

/* The first to be looked after of those that @owner has */
static struct task_struct *test_first(struct proxy_test *t, int owner, int mutex)
{
	struct task_struct *p;
	unsigned long flags;
	bool urges;

	local_irq_save(flags);
	p = proxy_best(t->task[owner], test_word(t, mutex), &urges);
	local_irq_restore(flags);
	return p;
}

/* Those that wait for @mutex */
static struct sched_proxy_group *test_group(struct proxy_test *t, int mutex)
{
	struct sched_proxy_queue *q = proxy_bucket(test_word(t, mutex));

	guard(raw_spinlock_irqsave)(&q->lock);
	return proxy_find_group(q, test_word(t, mutex));
}

static void expect_group(struct kunit *test, int mutex, int nr, int nr_urgent,
			 struct task_struct *owner)
{
	struct sched_proxy_group *group = test_group(test->priv, mutex);

	KUNIT_ASSERT_NOT_NULL(test, group);
	KUNIT_EXPECT_EQ(test, group->nr, nr);
	KUNIT_EXPECT_EQ(test, group->nr_urgent, nr_urgent);
	KUNIT_EXPECT_PTR_EQ(test, group->owner, owner);
	if (owner)
		KUNIT_EXPECT_TRUE(test, proxy_has_donors(owner));
}

static unsigned long test_held(struct proxy_test *t, int owner)
{
	guard(irqsave)();
	return proxy_held_word(t->task[owner]);
}

static unsigned long test_counted(enum proxy_stat what)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(proxy_stats, cpu).nr[what];
	return sum;
}

static void park_best_first(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 0, 0, 120);
	test_block_and_park(test, 2, 0, 0, 50);
	test_block_and_park(test, 3, 0, 0, 120);
	test_block_and_park(test, 4, 0, 0, PROXY_KEY_LAST);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[2]);
	test_claim(t, 2);
	KUNIT_EXPECT_NULL(test, t->task[2]->proxy.queue);
	/* Among equals, who came first */
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[1]);
	test_claim(t, 1);
	test_claim(t, 3);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[4]);
	test_claim(t, 4);
	KUNIT_EXPECT_NULL(test, test_first(t, 0, 0));
	KUNIT_EXPECT_NULL(test, test_group(t, 0));
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(t->task[0]));
	/* Not parked: nothing to do */
	test_claim(t, 4);
}

/* One that has something to give goes before a better one that has not. */
static void park_urgent(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	t->task[0]->prio = 110;
	t->task[2]->prio = 100;
	test_block_and_park(test, 1, 0, 0, 50);
	KUNIT_EXPECT_FALSE(test, t->task[0]->proxy.urged);
	test_block_and_park(test, 2, 0, 0, 100);
	expect_group(test, 0, 2, 1, t->task[0]);
	KUNIT_EXPECT_TRUE(test, t->task[0]->proxy.urged);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[2]);
	test_claim(t, 2);
	expect_group(test, 0, 1, 0, t->task[0]);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[1]);
	test_claim(t, 1);
	KUNIT_EXPECT_FALSE(test, t->task[0]->proxy.urged);
}

/* It comes for an owner that is parked itself, with one that is, too. */
static void park_urgent_chain(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long flags;
	int i;

	for (i = 0; i < 3; i++) {
		test_own(t, i, i, TEST_MUTEX_WAITERS);
		t->task[i]->on_rq = 0;
		WRITE_ONCE(t->task[i]->__state, TASK_UNINTERRUPTIBLE);
	}
	test_block_and_park(test, 1, 0, 0, 120);
	test_block_and_park(test, 2, 1, 1, 120);
	t->task[3]->prio = 50;
	test_block_and_park(test, 3, 2, 2, 50);
	KUNIT_EXPECT_TRUE(test, t->task[2]->proxy.urged);
	KUNIT_EXPECT_FALSE(test, t->task[1]->proxy.urged);
	local_irq_save(flags);
	proxy_settle(t->task[2]);
	local_irq_restore(flags);
	KUNIT_EXPECT_TRUE(test, t->task[1]->proxy.urged);
	KUNIT_EXPECT_TRUE(test, t->task[0]->proxy.urged);
	expect_group(test, 0, 1, 1, t->task[0]);
	expect_group(test, 1, 1, 1, t->task[1]);
}

static void park_by_lock(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long word;

	test_own(t, 1, 0, TEST_MUTEX_WAITERS);
	test_own(t, 2, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 1, 0, 10);
	test_block_and_park(test, 2, 2, 0, 20);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 1), t->task[1]);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 2), t->task[2]);
	/* In turns */
	word = test_held(t, 0);
	KUNIT_EXPECT_EQ(test, word, test_word(t, 1));
	word = test_held(t, 0);
	KUNIT_EXPECT_EQ(test, word, test_word(t, 2));
	test_claim(t, 2);
	KUNIT_EXPECT_NULL(test, test_first(t, 0, 2));
	KUNIT_EXPECT_TRUE(test, proxy_has_donors(t->task[0]));
	word = test_held(t, 0);
	KUNIT_EXPECT_EQ(test, word, test_word(t, 1));
}

/* The task that the group is in leaves, and the group does not. */
static void park_group_moves(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	int i;

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	for (i = 1; i < 5; i++)
		test_block_and_park(test, i, 0, 0, 120);
	for (i = 1; i < 5; i++) {
		expect_group(test, 0, 5 - i, 0, t->task[0]);
		KUNIT_EXPECT_PTR_EQ(test, test_first(t, 0, 0), t->task[i]);
		KUNIT_EXPECT_EQ(test, test_held(t, 0), test_word(t, 0));
		test_claim(t, i);
	}
	KUNIT_EXPECT_NULL(test, test_group(t, 0));
}

static void park_on_exiting(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long exiting = test_counted(PROXY_DEGRADED_EXITING);

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 0, 0, 10);
	test_block_and_park(test, 2, 0, 0, 20);
	__proxy_exit(t->task[0]);
	expect_group(test, 0, 2, 0, NULL);
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(t->task[0]));
	KUNIT_EXPECT_GE(test, test_counted(PROXY_DEGRADED_EXITING), exiting + 2);
	/* It still owns the lock: nothing better will come. */
	test_block_and_park(test, 3, 0, 0, 10);
	expect_group(test, 0, 3, 0, NULL);
	/* Until somebody else has got it */
	test_own(t, 0, 5, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 4, 0, 5, 10);
	expect_group(test, 0, 4, 0, t->task[5]);
}

/* What looks like the owner is not, any more. */
static void park_on_former(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_own(t, 0, 5, TEST_MUTEX_WAITERS);
	test_block(t, 1, 0);
	test_park(test, 1, 0, 10, false);
	KUNIT_EXPECT_NULL(test, test_group(t, 0));
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(t->task[0]));
	/* It must not take the others away from who is. */
	test_park(test, 1, 5, 10, true);
	test_block(t, 2, 0);
	test_park(test, 2, 0, 10, false);
	expect_group(test, 0, 1, 0, t->task[5]);
	/* Those that it knows of it passes on itself. */
	test_own(t, 0, 6, TEST_MUTEX_WAITERS);
	test_park(test, 2, 5, 10, false);
	expect_group(test, 0, 1, 0, t->task[5]);
	test_park(test, 2, 6, 10, true);
	expect_group(test, 0, 2, 0, t->task[6]);
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(t->task[5]));
}

/* It is back, and waits for the lock itself: only if it was woken is it next. */
static void park_on_back(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long flags;

	test_own(t, 0, 5, TEST_MUTEX_WAITERS);
	test_block(t, 0, 0);
	test_block(t, 1, 0);
	test_park(test, 1, 0, 10, false);
	KUNIT_EXPECT_NULL(test, test_group(t, 0));
	atomic_long_set(&t->mutex[0].owner, TEST_MUTEX_WAITERS);
	test_park(test, 1, 0, 10, false);
	local_irq_save(flags);
	KUNIT_EXPECT_TRUE(test, proxy_park(t->task[1], t->task[0], true, 10));
	local_irq_restore(flags);
	expect_group(test, 0, 1, 0, t->task[0]);
}

/* One was handed the lock, and is still parked when the next one comes. */
static void park_on_handed(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 0, 0, 10);
	test_own(t, 0, 1, TEST_MUTEX_WAITERS | TEST_MUTEX_PICKUP);
	test_block_and_park(test, 2, 0, 1, 10);
	expect_group(test, 0, 2, 0, t->task[1]);
	test_claim(t, 1);
	expect_group(test, 0, 1, 0, t->task[1]);
}

/* It has released the lock, and waits with the others. */
static void park_on_member(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 0, 0, 10);
	test_block(t, 2, 0);
	test_park(test, 2, 1, 10, false);
	expect_group(test, 0, 1, 0, t->task[0]);
}

/* Three wait for a lock of current, and one for another. */
static void test_pass(struct kunit *test, int next)
{
	struct proxy_test *t = test->priv;
	int i;

	atomic_long_set(&t->mutex[0].owner, (unsigned long)current);
	atomic_long_set(&t->mutex[1].owner, (unsigned long)current);
	for (i = 1; i < 6; i++) {
		t->task[i]->on_rq = 0;
		/* Woken it must not be: there is no such task. */
		WRITE_ONCE(t->task[i]->__state,
			   next ? TASK_UNINTERRUPTIBLE : TASK_RUNNING);
	}
	for (i = 1; i < 5; i++) {
		unsigned long flags;

		test_block(t, i, i == 3);
		local_irq_save(flags);
		KUNIT_EXPECT_TRUE(test, proxy_park(t->task[i], current, false,
						   100));
		local_irq_restore(flags);
	}
	atomic_long_set(&t->mutex[0].owner, TEST_MUTEX_WAITERS);
	if (next) {
		test_claim(t, next);
		test_block(t, next, 0);
	}
	proxy_pass_on(test_word(t, 0), current,
		      next ? t->task[next] : NULL);
	expect_group(test, 1, 1, 0, current);
	test_claim(t, 3);
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(current));
}

/* To the one that was woken to take it */
static void pass_on_to_next(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_pass(test, 2);
	expect_group(test, 0, 2, 0, t->task[2]);
	KUNIT_EXPECT_PTR_EQ(test, test_first(t, 2, 0), t->task[1]);
}

/* There is an owner already. Which is not the one that was woken. */
static void pass_on_to_owner(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_pass(test, 1);
	/* The one that had to look for itself has lost. */
	test_own(t, 0, 5, TEST_MUTEX_WAITERS);
	test_park(test, 1, 5, 10, true);
	expect_group(test, 0, 3, 0, t->task[5]);
	KUNIT_EXPECT_FALSE(test, proxy_has_donors(t->task[1]));
}

/* Nobody was woken: the best one is. */
static void pass_on_to_best(struct kunit *test)
{
	struct proxy_test *t = test->priv;

	test_pass(test, 0);
	expect_group(test, 0, 3, 0, t->task[1]);
}

static void pass_on_to_exiting(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long exiting = test_counted(PROXY_DEGRADED_EXITING);

	__proxy_exit(t->task[5]);
	test_pass(test, 5);
	expect_group(test, 0, 3, 0, NULL);
	KUNIT_EXPECT_GE(test, test_counted(PROXY_DEGRADED_EXITING), exiting + 3);
}

static struct task_struct *test_waits_for(struct proxy_test *t, int task,
					  unsigned long *trace)
{
	guard(irqsave)();

	return proxy_waits_for(t->task[task], trace);
}

static int test_parked_cycle(struct proxy_test *t, int task)
{
	struct task_struct *owner;
	unsigned long flags;
	int i;

	local_irq_save(flags);
	owner = proxy_parked_cycle(t->task[task]);
	local_irq_restore(flags);
	for (i = 0; i < TEST_TASKS; i++) {
		if (owner == t->task[i])
			return i;
	}
	return -1;
}

/* Nobody runs, so what looks like a deadlock is one. */
static void park_cycle(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	struct task_struct *first;
	unsigned long before, after;

	/* 2 waits for 1, that for 0, and that for 2; 3 waits for 2 */
	test_own(t, 1, 0, TEST_MUTEX_WAITERS);
	test_own(t, 2, 1, TEST_MUTEX_WAITERS);
	test_own(t, 0, 2, TEST_MUTEX_WAITERS);
	test_block(t, 0, 0);
	test_block(t, 1, 1);
	test_block(t, 2, 2);
	test_block(t, 3, 0);
	test_park(test, 1, 0, 10, true);
	test_park(test, 2, 1, 10, true);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 2), -1);
	test_park(test, 0, 2, 10, true);
	test_park(test, 3, 2, 10, true);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), 2);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 1), 0);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 2), 1);
	/* On the way to it */
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 3), -1);
	/* Somebody is told to give up. */
	t->task[1]->proxy.backs_off = true;
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), -1);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 1), -1);
	t->task[1]->proxy.backs_off = false;
	/* Somebody has run. */
	first = test_waits_for(t, 0, &before);
	KUNIT_EXPECT_PTR_EQ(test, first, t->task[2]);
	t->task[0]->nvcsw++;
	first = test_waits_for(t, 0, &after);
	KUNIT_EXPECT_PTR_EQ(test, first, t->task[2]);
	KUNIT_EXPECT_NE(test, before, after);
	t->task[1]->nivcsw++;
	test_waits_for(t, 0, &before);
	KUNIT_EXPECT_NE(test, before, after);
	/* Parked on 0, which is to own the lock, and does not yet. */
	atomic_long_set(&t->mutex[1].owner, TEST_MUTEX_WAITERS);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), -1);
	test_own(t, 1, 3, TEST_MUTEX_WAITERS);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), -1);
	test_own(t, 1, 0, TEST_MUTEX_WAITERS);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), 2);
	/* 2 does not sleep any more. */
	test_claim(t, 2);
	KUNIT_EXPECT_EQ(test, test_parked_cycle(t, 0), -1);
}

static void park_drop(struct kunit *test)
{
	struct proxy_test *t = test->priv;
	unsigned long busy = test_counted(PROXY_DEGRADED_BUSY);

	test_own(t, 0, 0, TEST_MUTEX_WAITERS);
	test_own(t, 1, 0, TEST_MUTEX_WAITERS);
	test_block_and_park(test, 1, 0, 0, 100);
	test_block_and_park(test, 2, 1, 0, 100);
	test_block_and_park(test, 3, 0, 0, 100);
	local_irq_disable();
	proxy_drop(test_group(t, 0), PROXY_DEGRADED_BUSY);
	local_irq_enable();
	expect_group(test, 0, 2, 0, NULL);
	expect_group(test, 1, 1, 0, t->task[0]);
	KUNIT_EXPECT_GE(test, test_counted(PROXY_DEGRADED_BUSY), busy + 2);
}
#endif /* CONFIG_SMP */

/* Every counter has a name, and no other counter has it. */
static void counter_names(struct kunit *test)
{
	int i, j;

	for (i = 0; i < NR_PROXY_STATS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, proxy_stat_names[i]);
		for (j = 0; j < i; j++)
			if (proxy_stat_names[j])
				KUNIT_EXPECT_STRNEQ(test, proxy_stat_names[i],
						    proxy_stat_names[j]);
	}
}

static struct kunit_case proxy_test_cases[] = {
	KUNIT_CASE(walk_one),
	KUNIT_CASE(walk_chain),
	KUNIT_CASE(walk_bound),
	KUNIT_CASE(walk_cycle),
	KUNIT_CASE(walk_cycle_of_one),
	KUNIT_CASE(walk_cycle_of_ww),
	KUNIT_CASE(walk_again),
	KUNIT_CASE(walk_unlocked),
	KUNIT_CASE(walk_handed_to_waiter),
	KUNIT_CASE(walk_handed_to_other),
	KUNIT_CASE(walk_handoff_wanted),
	KUNIT_CASE(walk_writer),
	KUNIT_CASE(walk_reader),
	KUNIT_CASE(walk_unknown_type),
	KUNIT_CASE(walk_asleep),
	KUNIT_CASE(walk_class),
#ifdef CONFIG_SMP
	KUNIT_CASE(walk_other_cpu),
	KUNIT_CASE(walk_unlocked_not_at_home),
	KUNIT_CASE(park_best_first),
	KUNIT_CASE(park_urgent),
	KUNIT_CASE(park_urgent_chain),
	KUNIT_CASE(park_by_lock),
	KUNIT_CASE(park_group_moves),
	KUNIT_CASE(park_on_exiting),
	KUNIT_CASE(park_on_former),
	KUNIT_CASE(park_on_back),
	KUNIT_CASE(park_on_handed),
	KUNIT_CASE(park_on_member),
	KUNIT_CASE(pass_on_to_next),
	KUNIT_CASE(pass_on_to_owner),
	KUNIT_CASE(pass_on_to_best),
	KUNIT_CASE(pass_on_to_exiting),
	KUNIT_CASE(park_cycle),
	KUNIT_CASE(park_drop),
#endif
	KUNIT_CASE(counter_names),
	{}
};

static struct kunit_suite proxy_test_suite = {
	.name = "sched_proxy",
	.init = proxy_test_init,
	.exit = proxy_test_exit,
	.test_cases = proxy_test_cases,
};

kunit_test_suite(proxy_test_suite);
