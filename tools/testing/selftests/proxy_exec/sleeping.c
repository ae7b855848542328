// SPDX-License-Identifier: GPL-2.0
/*
 * The owner sleeps. Those that wait for it are parked: ordinary sleepers for
 * everybody, until the owner wakes and does not get a CPU.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(sleeping)
{
	struct px *px;
};

FIXTURE_SETUP(sleeping)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(sleeping)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* --- the owner wakes behind hogs ---------------------------------------- */

static void wake_behind_hogs(struct __test_metadata *_metadata, struct px *px,
			     struct px_attr attr, int cpu, unsigned int bound)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19)), *waiter;
	struct tpe_op *nap, *lock;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	nap = px_sleep(owner, MS(15));
	px_burn(owner, MS(10));
	px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(900));
	px_hog(px, 1, PX_FAIR(0), MS(900));

	waiter = px_actor(px, cpu, attr);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_run(px, 15000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(cpu, lock->cpu);
	ratio = (lock->end - nap->start - MS(15)) * 100 / MS(10);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "parked_asleep"), 0);
		EXPECT_GT(px_delta(px, "injected"), 0);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(bound));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

TEST_F(sleeping, fair_same_cpu)
{
	wake_behind_hogs(_metadata, self->px, PX_FAIR(0), 1, 450);
}

TEST_F(sleeping, fair_other_cpu)
{
	wake_behind_hogs(_metadata, self->px, PX_FAIR(0), 2, 450);
}

TEST_F(sleeping, fifo_same_cpu)
{
	wake_behind_hogs(_metadata, self->px, PX_FIFO(50), 1, 120);
}

TEST_F(sleeping, fifo_other_cpu)
{
	wake_behind_hogs(_metadata, self->px, PX_FIFO(50), 2, 120);
}

TEST_F(sleeping, deadline_other_cpu)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	wake_behind_hogs(_metadata, self->px, PX_DL(MS(60), MS(100)), 2, 120);
}

/*
 * None of the waiters is better than the owner, so none is enqueued at once. But
 * if the owner has to wait, they all come, and it runs on the shares of four.
 */
TEST_F(sleeping, equals_add_up)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct tpe_op *nap, *lock[3];
	uint64_t first = ~0ULL;
	unsigned int ratio;
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	nap = px_sleep(owner, MS(15));
	px_burn(owner, MS(60));
	px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(300));

	for (i = 0; i < 3; i++) {
		struct px_actor *waiter = px_actor(px, 2, PX_FAIR(0));

		px_wait(waiter, PX_HELD);
		px_sleep(waiter, MS(3 + i));
		lock[i] = px_lock(waiter, 0);
		px_unlock(waiter, 0);
	}
	ASSERT_EQ(0, px_run(px, 15000));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, lock[i]->ret);
		EXPECT_EQ(2, lock[i]->cpu);
		if (lock[i]->end < first)
			first = lock[i]->end;
	}
	ratio = (first - nap->start - MS(15)) * 100 / MS(60);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px))
		EXPECT_EQ(3, px_delta(px, "injected"));
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(150));
	if (!px->on)
		EXPECT_GE(ratio, 180);
}

/*
 * Four waiters are parked and no better than their owners, and become better
 * before these wake up, at four times in a tick: each owner runs at once.
 */
TEST_F(sleeping, raised_while_parked)
{
	struct px *px = self->px;
	struct px_actor *owner, *waiter[4];
	struct tpe_op *nap[4], *lock[4];
	uint64_t late = 0, sleep = px_patient(40);
	int i;

	for (i = 0; i < 4; i++) {
		owner = px_actor(px, 1, PX_FAIR(19));
		px_wait(owner, PX_GO);
		px_lock(owner, i);
		px_set(owner, PX_HELD);
		nap[i] = px_sleep(owner, sleep + i * US(5250));
		px_burn(owner, US(100));
		px_unlock(owner, i);

		waiter[i] = px_actor(px, 2, PX_FAIR(19));
		px_wait(waiter[i], PX_HELD);
		px_sleep(waiter[i], MS(5));
		lock[i] = px_lock(waiter[i], i);
		px_unlock(waiter[i], i);
	}
	owner = px_actor(px, 1, PX_FIFO(40));
	px_wait(owner, PX_HELD);
	px_sleep(owner, MS(10));
	px_burn(owner, MS(100));

	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, px_wait_blocked(waiter[i], lock[i], 5000));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, px_set_attr(waiter[i]->pid, PX_FIFO(60)));
		EXPECT_EQ('D', px_state(waiter[i]->pid));
	}
	ASSERT_EQ(0, px_join(px, 15000));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, lock[i]->ret);
		late += lock[i]->end - nap[i]->start - sleep -
			i * US(5250) - US(100);
	}
	TH_LOG("%llu us", (unsigned long long)late / 1000);
	if (px_counts(px))
		EXPECT_GE(px_delta(px, "placed_anew"), 4);
	if (px_timing() && px->on)
		EXPECT_LE(late, px_limit(US(800)));
	if (px_timing() && !px->on)
		EXPECT_GE(late, MS(40));
}

/*
 * Having had more than its share, a task that goes to sleep stays queued for a
 * while (H14). It sleeps all the same: those that come then are parked.
 */
static void delayed(struct __test_metadata *_metadata, struct px *px,
		    bool change)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19)), *waiter;
	struct tpe_op *lock[2];
	uint64_t total;
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, US(300));
	/* After the first time with waiters that are parked, or run it */
	for (i = 0; i < 3; i++) {
		px_sleep(owner, US(400));
		px_burn(owner, US(100));
	}
	px_unlock(owner, 0);
	px_burn(owner, US(50));
	px_op(owner, TPE_LOOP, 1, change ? 240 : 60);
	px_set(owner, PX_STOP);
	px_hog(px, 1, PX_FAIR(0), MS(3000));
	if (change)
		px_hog(px, 3, PX_FAIR(0), MS(3000));

	for (i = 0; i < 2; i++) {
		waiter = px_actor(px, 1 + i, i ? PX_FAIR(-20) : PX_FAIR(0));
		px_wait(waiter, PX_HELD);
		px_sleep(waiter, US(400));
		lock[i] = px_lock(waiter, 0);
		px_burn(waiter, US(20));
		px_unlock(waiter, 0);
		px_op(waiter, TPE_LOOP, 1, change ? 400 : 100);
	}
	total = px_now();
	ASSERT_EQ(0, px_go(px));
	for (i = 0; change && !owner->done && i < 10000; i++) {
		ASSERT_EQ(0, px_set_attr(owner->pid, PX_FAIR(18 + i % 2)));
		if (i % 16 == 15)
			ASSERT_EQ(0, px_set_cpus(owner->pid, i & 16 ? 8 : 2));
		usleep(150);
		px_join(px, 0);
	}
	ASSERT_EQ(0, px_join(px, 20000));
	total = px_now() - total;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, lock[i]->ret);
		EXPECT_EQ(change ? 401 : 101, lock[i]->runs);
		EXPECT_EQ(1 + i, lock[i]->cpu);
	}
	TH_LOG("%llu ms", (unsigned long long)total / 1000000);
	if (px->on && px_timing())
		EXPECT_GT(px_delta(px, "parked_asleep"), 0);
}

TEST_F(sleeping, delayed_dequeue)
{
	delayed(_metadata, self->px, false);
}

/*
 * Niced meanwhile, the owner is dequeued and enqueued and sleeps on, and is
 * then taken off the runqueue by a pick, not by dequeue_task().
 */
TEST_F(sleeping, delayed_and_niced)
{
	delayed(_metadata, self->px, true);
}

/*
 * Who waits for a task that has a CPU is parked. When that task goes to sleep
 * having had more than its share, it is queued still, but does not wait for a
 * CPU: its waiters are not to be enqueued (H14).
 */
TEST_F(sleeping, delayed_with_parked)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter = px_actor(px, 2, PX_FAIR(0));
	struct px_actor *other = px_actor(px, 2, PX_FIFO(2));
	struct tpe_op *lock;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, US(1500));
	px_sleep(owner, MS(6));
	px_unlock(owner, 0);
	px_burn(owner, US(50));
	px_op(owner, TPE_LOOP, 1, 50);
	px_set(owner, PX_STOP);
	px_hog(px, 1, PX_FAIR(0), MS(3000));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, US(500));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_op(waiter, TPE_LOOP, 1, 50);
	/* Makes the waiter give up its optimistic spinning. */
	px_wait(other, PX_HELD);
	px_sleep(other, US(300));
	px_burn(other, US(10));
	px_op(other, TPE_LOOP, 1, 1500);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_join(px, 20000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(51, lock->runs);
	EXPECT_EQ(2, lock->cpu);
	TH_LOG("parked while it ran: %lld", px_delta(px, "parked_running"));
	if (px->on && px_timing())
		EXPECT_GE(px_delta(px, "parked_running"), 10);
}

/* The owner is moved while it sleeps: who waits for it goes there. */
TEST_F(sleeping, wakes_elsewhere)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *waiter = px_actor(px, 2, PX_FIFO(50));
	struct tpe_op *burn, *lock;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_FLAG);
	burn = px_burn(owner, MS(10));
	px_unlock(owner, 0);
	px_hog(px, 3, PX_FAIR(0), MS(900));
	px_hog(px, 3, PX_FAIR(0), MS(900));
	px_wait(waiter, PX_HELD);
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	ASSERT_EQ(0, px_set_cpus(owner->pid, 8));
	px_sleep_ms(20);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(2, lock->cpu);
	EXPECT_EQ(3, burn->cpu);
	ratio = (lock->end - burn->start) * 100 / MS(10);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(120));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

/* --- trees of sleepers (H28, H29, H30) ---------------------------------- */

#define FAN		8
#define LEAVES		(FAN * FAN)

FIXTURE(tree)
{
	struct px *px;
	struct px_actor *root;
	struct px_actor *middle[FAN];
	struct px_actor *leaf[LEAVES];
	struct tpe_op *middle_lock[FAN];
	struct tpe_op *leaf_lock[LEAVES];
};

/*
 * The root holds mutex 0 and sleeps until PX_FLAG. Eight in the middle have
 * mutex 1 to 8 and want mutex 0, and each has eight that wait for it.
 */
FIXTURE_SETUP(tree)
{
	struct px_actor *a;
	struct px *px;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	px = px_open();
	ASSERT_NE(NULL, px);
	self->px = px;

	a = px_actor(px, 1, PX_FAIR(19));
	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_wait(a, PX_FLAG);
	px_burn(a, MS(5));
	px_unlock(a, 0);
	self->root = a;

	for (i = 0; i < FAN; i++) {
		a = px_actor(px, 1 + i % 3, PX_FAIR(10));
		px_lock(a, 1 + i);
		px_wait(a, PX_HELD);
		self->middle_lock[i] = px_lock_nested(a, 0, 1);
		self->middle_lock[i]->mode = TPE_INTERRUPTIBLE;
		px_burn(a, US(300));
		px_unlock(a, 0);
		px_unlock(a, 1 + i);
		self->middle[i] = a;
	}
	for (i = 0; i < LEAVES; i++) {
		a = px_actor(px, 1 + i % 3, i == 3 ? PX_FIFO(40) :
			     PX_FAIR(i % 30 - 15));
		px_wait(a, PX_FLAG + 1);
		self->leaf_lock[i] = px_lock(a, 1 + i % FAN);
		self->leaf_lock[i]->mode = TPE_INTERRUPTIBLE;
		px_burn(a, US(100));
		px_unlock(a, 1 + i % FAN);
		self->leaf[i] = a;
	}

	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < FAN; i++)
		ASSERT_EQ(0, px_wait_blocked(self->middle[i],
					     self->middle_lock[i], 3000));
	px_set_flag(px, PX_FLAG + 1);
	for (i = 0; i < LEAVES; i++)
		ASSERT_EQ(0, px_wait_blocked(self->leaf[i], self->leaf_lock[i],
					     3000));
	/* PX_HELD is set, so they begin at once. */
	for (i = 1; i < 4; i++)
		px_hog(px, i, PX_FAIR(0), MS(2000));
	ASSERT_EQ(0, px_start(px));
	px_sleep_ms(15);
	if (px_counts(px))
		EXPECT_GE(px_delta(px, "parked_asleep") +
			  px_delta(px, "parked_running") +
			  px_delta(px, "parked_blocked") +
			  px_delta(px, "parked_queued"), LEAVES + FAN);
}

/* What became of its operations is known when it is done with all of them. */
static bool through(struct px_actor *a)
{
	uint64_t end = px_now() + px_patient(10000);

	while (!a->done && px_now() < end)
		px_sleep_ms(2);
	return a->done;
}

FIXTURE_TEARDOWN(tree)
{
	int i;

	px_set_flag(self->px, PX_FLAG);
	/* Hogs go on until all are through. */
	for (i = 0; i < LEAVES; i++)
		EXPECT_TRUE(through(self->leaf[i]));
	for (i = 0; i < LEAVES; i++) {
		EXPECT_EQ(1, self->leaf_lock[i]->runs);
		EXPECT_EQ(1 + i % 3, self->leaf_lock[i]->cpu);
	}
	px_set_flag(self->px, PX_STOP);
	EXPECT_EQ(0, px_join(self->px, 10000));
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* When the last one has its lock, and what that takes at least */
static void tree_done(struct __test_metadata *_metadata, struct px *px,
		      struct tpe_op **lock, uint64_t start, uint64_t bound)
{
	uint64_t end = start;
	int i;

	for (i = 0; i < LEAVES; i++) {
		while (!lock[i]->runs &&
		       px_now() < start + px_patient(8000))
			px_sleep_ms(1);
		EXPECT_EQ(1, lock[i]->runs);
		if (lock[i]->end > end)
			end = lock[i]->end;
	}
	TH_LOG("all through after %llu ms",
	       (unsigned long long)(end - start) / 1000000);
	if (px_timing() && px->on)
		EXPECT_LE(end - start, px_limit(bound));
}

TEST_F(tree, wake_root)
{
	uint64_t start = px_now();

	ASSERT_EQ(0, px_set_flag(self->px, PX_FLAG));
	tree_done(_metadata, self->px, self->leaf_lock, start, MS(150));
}

TEST_F(tree, wake_leaf)
{
	uint64_t start = px_now();
	int i;

	for (i = 0; i < LEAVES; i += 5)
		ASSERT_EQ(0, kill(self->leaf[i]->pid, SIGUSR1));
	for (i = 0; i < LEAVES; i += 5) {
		while (!self->leaf_lock[i]->runs &&
		       px_now() < start + px_patient(2000))
			px_sleep_ms(1);
		EXPECT_EQ(-EINTR, self->leaf_lock[i]->ret);
	}
	start = px_now();
	ASSERT_EQ(0, px_set_flag(self->px, PX_FLAG));
	tree_done(_metadata, self->px, self->leaf_lock, start, MS(150));
	for (i = 0; i < LEAVES; i++)
		EXPECT_EQ(i % 5 ? 0 : -EINTR, self->leaf_lock[i]->ret);
}

/* Those that wait for it get the lock, though the root sleeps on. */
TEST_F(tree, signal_middle)
{
	uint64_t start;
	int i;

	for (i = 0; i < FAN; i += 2)
		ASSERT_EQ(0, kill(self->middle[i]->pid, SIGUSR1));
	start = px_now();
	for (i = 0; i < LEAVES; i++) {
		if (i % 2)
			continue;
		while (!self->leaf_lock[i]->runs &&
		       px_now() < start + px_patient(3000))
			px_sleep_ms(1);
		EXPECT_EQ(1, self->leaf_lock[i]->runs);
		EXPECT_EQ(0, self->leaf_lock[i]->ret);
	}
	TH_LOG("half of them through after %llu ms",
	       (unsigned long long)(px_now() - start) / 1000000);
	for (i = 1; i < LEAVES; i += 2)
		EXPECT_EQ('S', px_state(self->leaf[i]->pid));
	start = px_now();
	ASSERT_EQ(0, px_set_flag(self->px, PX_FLAG));
	tree_done(_metadata, self->px, self->leaf_lock, start, MS(150));
	for (i = 0; i < FAN; i++) {
		EXPECT_TRUE(through(self->middle[i]));
		EXPECT_EQ(i & 1 ? 0 : -EINTR, self->middle_lock[i]->ret);
	}
}

/* The middle, leaves and the root, all within the same moment */
TEST_F(tree, all_at_once)
{
	uint64_t start = px_now();
	int i;

	for (i = 0; i < FAN; i++) {
		if (i == 3)
			ASSERT_EQ(0, px_set_flag(self->px, PX_FLAG));
		kill(self->middle[i]->pid, SIGUSR1);
		kill(self->leaf[i]->pid, SIGUSR1);
		kill(self->leaf[LEAVES - 1 - i]->pid, SIGUSR1);
	}
	tree_done(_metadata, self->px, self->leaf_lock, start, MS(300));
}

/* --- counts (H31, H32) -------------------------------------------------- */

/* Others may sleep for a moment, too. */
static long long least(long long (*get)(const char *field), const char *field)
{
	long long value, least = 0;
	int i;

	for (i = 0; i < 20; i++) {
		value = get(field);
		if (!i || value < least)
			least = value;
		px_sleep_ms(2);
	}
	return least;
}

/* Jiffies that @cpu has waited for I/O, or been idle otherwise */
static int idle_times(int cpu, long long *idle, long long *iowait)
{
	char buf[16384], name[16], *line;

	if (px_read("/proc/stat", buf, sizeof(buf)) <= 0)
		return -1;
	snprintf(name, sizeof(name), "\ncpu%d ", cpu);
	line = strstr(buf, name);
	return line && sscanf(line + strlen(name), "%*d %*d %*d %lld %lld",
			      idle, iowait) == 2 ? 0 : -1;
}

/* An owner that sleeps until PX_FLAG, and eight that wait for it on all CPUs */
static void add_parked(struct px *px, uint32_t mode, uint64_t burn,
		       struct tpe_op **lock)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_FLAG);
	px_burn(owner, burn);
	px_unlock(owner, 0);
	for (i = 0; i < 8; i++) {
		struct px_actor *a = px_actor(px, 1 + i % 3,
					      i & 1 ? PX_FAIR(0) : PX_FIFO(10));

		px_wait(a, PX_HELD);
		lock[i] = px_lock(a, 0);
		lock[i]->mode = mode;
		px_burn(a, US(100));
		px_unlock(a, 0);
	}
}

static void wait_parked(struct __test_metadata *_metadata, struct px *px,
			struct tpe_op **lock)
{
	int i;

	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, px_wait_blocked(&px->actor[1 + i], lock[i], 3000));
	px_sleep_ms(5);
}

/* While they are parked, queued elsewhere, and when they are through */
static void count_io(struct __test_metadata *_metadata, struct px *px,
		     struct px_attr hog)
{
	long long before = least(px_proc_stat, "procs_blocked ");
	long long idle[2][4], iowait[2][4];
	struct tpe_op *lock[8];
	int cpu;

	add_parked(px, TPE_IO, MS(10), lock);
	wait_parked(_metadata, px, lock);
	EXPECT_EQ(before + 8, least(px_proc_stat, "procs_blocked "));

	px_hog(px, 1, hog, MS(400));
	ASSERT_EQ(0, px_start(px));
	px_sleep_ms(10);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	px_sleep_ms(2);
	/* Behind the hog, elsewhere: where they came from nobody waits for I/O. */
	if (hog.policy == SCHED_FIFO && px_counts(px)) {
		px_sleep_ms(10);
		for (cpu = 2; cpu < 4; cpu++)
			ASSERT_EQ(0, idle_times(cpu, &idle[0][cpu], &iowait[0][cpu]));
		px_sleep_ms(200);
		for (cpu = 2; cpu < 4; cpu++) {
			ASSERT_EQ(0, idle_times(cpu, &idle[1][cpu], &iowait[1][cpu]));
			EXPECT_GE(idle[1][cpu] - idle[0][cpu], 15);
			EXPECT_LE(iowait[1][cpu] - iowait[0][cpu], 2);
		}
	}
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 5000));
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "injected"), 0);
	px_sleep_ms(20);
	EXPECT_EQ(before, least(px_proc_stat, "procs_blocked "));

	/* A count that stays on one CPU and is missing on another shows here. */
	for (cpu = 1; cpu < 4; cpu++)
		ASSERT_EQ(0, idle_times(cpu, &idle[0][cpu], &iowait[0][cpu]));
	px_sleep_ms(400);
	for (cpu = 1; cpu < 4; cpu++) {
		ASSERT_EQ(0, idle_times(cpu, &idle[1][cpu], &iowait[1][cpu]));
		TH_LOG("CPU %d: idle %lld iowait %lld", cpu,
		       idle[1][cpu] - idle[0][cpu],
		       iowait[1][cpu] - iowait[0][cpu]);
		EXPECT_GE(idle[1][cpu] - idle[0][cpu], 20);
		EXPECT_LE(iowait[1][cpu] - iowait[0][cpu], 2);
	}
}

TEST_F(sleeping, iowait)
{
	count_io(_metadata, self->px, PX_FAIR(0));
}

TEST_F(sleeping, iowait_fifo_hog)
{
	count_io(_metadata, self->px, PX_FIFO(40));
}

/* What the load average counts: those that are parked, and no more after. */
TEST_F(sleeping, uninterruptible)
{
	struct px *px = self->px;
	long long before = least(px_debug_sum, "nr_uninterruptible");
	struct tpe_op *lock[8];
	int i;

	add_parked(px, TPE_UNINTERRUPTIBLE, MS(20), lock);
	wait_parked(_metadata, px, lock);
	EXPECT_EQ(before + 8, least(px_debug_sum, "nr_uninterruptible"));

	/* Queued, they count as running: the sum stays. */
	px_hog(px, 1, PX_FIFO(40), MS(700));
	ASSERT_EQ(0, px_start(px));
	px_sleep_ms(10);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	px_sleep_ms(20);
	for (i = 0; i < 8; i++)
		EXPECT_EQ('D', px_state(px->actor[1 + i].pid));
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "injected"), 0);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 5000));
	px_sleep_ms(20);
	EXPECT_EQ(before, least(px_debug_sum, "nr_uninterruptible"));
}

TEST_F(sleeping, interruptible)
{
	struct px *px = self->px;
	long long before = least(px_debug_sum, "nr_uninterruptible");
	struct tpe_op *lock[8];

	add_parked(px, TPE_INTERRUPTIBLE, MS(20), lock);
	wait_parked(_metadata, px, lock);
	EXPECT_EQ(before, least(px_debug_sum, "nr_uninterruptible"));
	px_hog(px, 1, PX_FAIR(0), MS(500));
	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	px_sleep_ms(5);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 5000));
	px_sleep_ms(20);
	EXPECT_EQ(before, least(px_debug_sum, "nr_uninterruptible"));
}

/* --- what others see (H36, H49, H50) ------------------------------------ */

TEST_F(sleeping, looks_asleep)
{
	struct px *px = self->px;
	struct tpe_op *lock[8];
	char path[64], text[128];
	int i;

	add_parked(px, TPE_UNINTERRUPTIBLE, MS(1), lock);
	wait_parked(_metadata, px, lock);
	if (px_counts(px))
		EXPECT_GE(px_delta(px, "parked_asleep") +
			  px_delta(px, "parked_running"), 8);
	for (i = 0; i < 8; i++) {
		pid_t pid = px->actor[1 + i].pid;

		EXPECT_EQ('D', px_state(pid));
		snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
		text[0] = '\0';
		EXPECT_GT(px_read(path, text, sizeof(text)), 0);
		EXPECT_STRNE("0", text);
	}
	TH_LOG("wchan %s", text);
	/* This one, and nobody else */
	EXPECT_EQ(1, least(px_proc_stat, "procs_running "));
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 5000));
}

/* A grace period of RCU tasks waits for those on a runqueue only. */
TEST_F(sleeping, rcu_tasks)
{
	struct px *px = self->px;
	struct px_actor *a;
	struct tpe_op *lock[8], *gp;
	uint64_t end;

	add_parked(px, TPE_UNINTERRUPTIBLE, MS(1), lock);
	a = px_actor(px, 1, PX_FAIR(0));
	px_wait(a, PX_FLAG + 1);
	gp = px_op(a, TPE_RCU_TASKS, 0, 0);
	wait_parked(_metadata, px, lock);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	for (end = px_now() + px_patient(10000); !a->done && px_now() < end;)
		px_sleep_ms(10);
	EXPECT_EQ(1, a->done);
	TH_LOG("grace period %llu ms",
	       (unsigned long long)(gp->end - gp->start) / 1000000);
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 12000));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
