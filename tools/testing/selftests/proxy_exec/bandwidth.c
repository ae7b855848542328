// SPDX-License-Identifier: GPL-2.0
/*
 * Groups with a bandwidth limit (H58): an owner that is out of time runs on
 * the waiter's, a waiter that is out of time has none to give, and what is
 * given is charged to the group of the one that gives.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define GROUP		"px_limited"

FIXTURE(bandwidth)
{
	struct px *px;
};

FIXTURE_SETUP(bandwidth)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	if (px_group_make(GROUP))
		SKIP(return, "no cgroup2 with a cpu controller");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(bandwidth)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
	px_group_remove(GROUP);
}

/* --- the owner's group -------------------------------------------------- */

/*
 * The owner has 5 of 100 ms. It has used them up when the waiter comes, and
 * without help it needs 4 periods.
 */
static void owner_throttled(struct __test_metadata *_metadata, struct px *px,
			    struct px_attr attr, int cpu, uint64_t nap)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0)), *waiter;
	struct tpe_op *sleep = NULL, *lock;
	unsigned int ratio;
	uint64_t from;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "5000 100000"));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	if (nap)
		sleep = px_sleep(owner, nap);
	px_burn(owner, MS(26));
	px_unlock(owner, 0);

	waiter = px_actor(px, cpu, attr);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, nap ? MS(1) : MS(12));
	lock = px_lock(waiter, 0);
	lock->watch = owner->slot;
	px_unlock(waiter, 0);

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, owner->pid));
	ASSERT_EQ(0, px_run(px, 10000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(cpu, lock->cpu);
	from = sleep ? sleep->end : lock->start;
	ratio = (lock->end - from) * 100 / (MS(26) - lock->seen);
	TH_LOG("ratio %u.%02u, throttled %lld times", ratio / 100, ratio % 100,
	       px_group_stat(GROUP, "nr_throttled "));
	EXPECT_LT(lock->seen, MS(15));
	if (px->on)
		EXPECT_GT(px_delta(px, "donations"), 0);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(115));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

TEST_F(bandwidth, owner_throttled_same_cpu)
{
	owner_throttled(_metadata, self->px, PX_FAIR(0), 1, 0);
}

TEST_F(bandwidth, owner_throttled_other_cpu)
{
	owner_throttled(_metadata, self->px, PX_FAIR(0), 2, 0);
}

TEST_F(bandwidth, owner_throttled_same_cpu_fifo)
{
	owner_throttled(_metadata, self->px, PX_FIFO(50), 1, 0);
}

TEST_F(bandwidth, owner_throttled_other_cpu_fifo)
{
	owner_throttled(_metadata, self->px, PX_FIFO(50), 2, 0);
}

/* The group's time is used up by somebody else, while the owner sleeps. */
TEST_F(bandwidth, owner_wakes_throttled)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *mate = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter = px_actor(px, 2, PX_FAIR(0));
	struct tpe_op *nap, *lock;
	unsigned int ratio;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "5000 100000"));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	nap = px_sleep(owner, MS(20));
	px_burn(owner, MS(10));
	px_unlock(owner, 0);
	px_wait(mate, PX_HELD);
	px_burn_until(mate, PX_STOP, MS(900));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, owner->pid));
	ASSERT_EQ(0, px_group_join(GROUP, mate->pid));
	ASSERT_EQ(0, px_run(px, 15000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(2, lock->cpu);
	ratio = (lock->end - nap->start - MS(20)) * 100 / MS(10);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(120));
	if (!px->on)
		EXPECT_GE(ratio, 500);
}

/* --- the waiter's group ------------------------------------------------- */

/* The limited waiter's owner, behind a hog: nothing much by itself */
static struct px_actor *add_owner(struct px *px, uint64_t section)
{
	struct px_actor *a = px_actor(px, 1, PX_FAIR(19));

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_burn(a, section);
	px_unlock(a, 0);
	px_hog(px, 1, PX_FAIR(0), MS(4000));
	return a;
}

/*
 * Alone with a nice 0 hog, the donor of nice -20 would be through in little
 * more than the 100 ms of the section. Its group has 20 of 100 ms.
 */
static void charged(struct __test_metadata *_metadata, struct px *px, int cpu)
{
	struct px_actor *owner = add_owner(px, MS(100)), *waiter;
	long long throttled, usec;
	struct tpe_op *lock;
	uint64_t time;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.weight", "10000"));
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "20000 100000"));
	waiter = px_actor(px, cpu, PX_FAIR(-20));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(10));
	lock = px_lock(waiter, 0);
	lock->watch = owner->slot;
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, waiter->pid));
	throttled = px_group_stat(GROUP, "nr_throttled ");
	usec = px_group_stat(GROUP, "throttled_usec ");
	ASSERT_EQ(0, px_run(px, 20000));
	throttled = px_group_stat(GROUP, "nr_throttled ") - throttled;
	usec = px_group_stat(GROUP, "throttled_usec ") - usec;
	time = lock->end - lock->start;
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(cpu, lock->cpu);
	TH_LOG("%llu ms, throttled %lld times, %lld ms",
	       (unsigned long long)time / 1000000, throttled, usec / 1000);
	if (px->on) {
		EXPECT_GE(throttled, 2);
		EXPECT_GE(usec, 100000);
	} else {
		EXPECT_EQ(0, throttled);
	}
	if (px_timing() && px->on) {
		/* Nothing beyond what it has, and that again and again */
		EXPECT_GE(time, MS(250));
		EXPECT_LE(time, MS(900));
	}
	if (px_timing() && !px->on)
		EXPECT_GE(time, MS(1500));
}

TEST_F(bandwidth, charged_same_cpu)
{
	charged(_metadata, self->px, 1);
}

TEST_F(bandwidth, charged_other_cpu)
{
	charged(_metadata, self->px, 2);
}

/*
 * The group's time is used up by another task when the waiter has blocked, or
 * before: it gives nothing until there is time again, and then it does.
 */
static void waiter_throttled(struct __test_metadata *_metadata, struct px *px,
			     int cpu, int mate_cpu, uint64_t sleep)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *waiter, *mate;
	struct tpe_op *lock;
	uint64_t burned, time, end;
	long long periods;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.weight", "10000"));
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "50000 500000"));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	if (sleep)
		px_sleep(owner, sleep);
	px_burn(owner, MS(120));
	px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(12000));

	waiter = px_actor(px, cpu, PX_FAIR(0));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	/* Takes what is left of the first period. */
	mate = px_actor(px, mate_cpu, PX_FAIR(-20));
	px_wait(mate, PX_HELD);
	px_sleep(mate, MS(8));
	px_burn(mate, MS(55));

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, waiter->pid));
	ASSERT_EQ(0, px_group_join(GROUP, mate->pid));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	if (sleep)
		px_sleep_ms(sleep / 1000000);
	/* The time of a period is gone after a fifth of it, at most. */
	periods = px_group_stat(GROUP, "nr_periods ");
	end = px_now() + MS(600);
	while (px_group_stat(GROUP, "nr_periods ") == periods && px_now() < end)
		px_sleep_ms(1);
	px_sleep_ms(200);
	EXPECT_EQ(0, lock->runs);
	burned = px_burned(owner);
	px_sleep_ms(100);
	burned = px_burned(owner) - burned;
	ASSERT_EQ(0, px_join(px, 20000));
	time = lock->end - lock->start;
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(cpu, lock->cpu);
	TH_LOG("owner: %llu us in 100 ms of throttling; lock after %llu ms, throttled %lld times",
	       (unsigned long long)burned / 1000,
	       (unsigned long long)time / 1000000,
	       px_group_stat(GROUP, "nr_throttled "));
	if (!px_timing())
		return;
	EXPECT_LE(burned, MS(10));
	/* By itself the owner needs 8 s. */
	if (px->on)
		EXPECT_LE(time, MS(2500));
	if (!px->on)
		EXPECT_GE(time, MS(5000));
}

TEST_F(bandwidth, waiter_throttled_same_cpu)
{
	waiter_throttled(_metadata, self->px, 1, 1, 0);
}

/* There is still time where it is at home, not where its owner is. */
TEST_F(bandwidth, waiter_throttled_other_cpu)
{
	waiter_throttled(_metadata, self->px, 2, 1, 0);
}

TEST_F(bandwidth, waiter_throttled_elsewhere)
{
	waiter_throttled(_metadata, self->px, 2, 3, 0);
}

/* It is parked when the time runs out. */
TEST_F(bandwidth, waiter_throttled_parked)
{
	waiter_throttled(_metadata, self->px, 2, 1, MS(100));
}

/*
 * The waiter has no time to give, but somebody waits for it who has: it is a
 * link of the chain all the same.
 */
TEST_F(bandwidth, waiter_throttled_is_a_link)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *link, *mate, *donor;
	struct tpe_op *want, *lock;
	long long periods;
	uint64_t time, end;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.weight", "10000"));
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "50000 900000"));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	/* The link is parked when its time is gone, and so not on any CPU. */
	px_wait(owner, PX_FLAG + 1);
	px_burn(owner, MS(120));
	px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(6000));

	link = px_actor(px, 1, PX_FAIR(0));
	px_wait(link, PX_HELD);
	px_lock(link, 1);
	px_sleep(link, MS(5));
	want = px_lock_nested(link, 0, 1);
	px_burn(link, US(200));
	px_unlock(link, 0);
	px_unlock(link, 1);

	mate = px_actor(px, 1, PX_FAIR(-20));
	px_wait(mate, PX_HELD);
	px_sleep(mate, MS(8));
	px_burn(mate, MS(200));

	donor = px_actor(px, 2, PX_FIFO(50));
	px_wait(donor, PX_FLAG);
	lock = px_lock(donor, 1);
	px_unlock(donor, 1);
	px_set(donor, PX_STOP);

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, link->pid));
	ASSERT_EQ(0, px_group_join(GROUP, mate->pid));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(link, want, 3000));
	/* The time of a period is gone soon after it has begun. */
	periods = px_group_stat(GROUP, "nr_periods ");
	end = px_now() + MS(1000);
	while (px_group_stat(GROUP, "nr_periods ") == periods && px_now() < end)
		px_sleep_ms(1);
	px_sleep_ms(200);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	px_sleep_ms(5);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 20000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(2, lock->cpu);
	time = lock->end - lock->start;
	TH_LOG("lock after %llu ms", (unsigned long long)time / 1000000);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(time, MS(140));
	if (!px->on)
		EXPECT_GE(time, MS(400));
}

/* The better of two waiters has no time to give. The other one has. */
TEST_F(bandwidth, waiter_throttled_not_alone)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *waiter[2], *mate;
	struct tpe_op *nap, *lock[2];
	uint64_t time;
	int i;

	ASSERT_EQ(0, px_group_set(GROUP, "cpu.weight", "10000"));
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "50000 900000"));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	nap = px_sleep(owner, MS(1200));
	px_burn(owner, MS(20));
	px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(6000));

	for (i = 0; i < 2; i++) {
		waiter[i] = px_actor(px, 2, PX_FAIR(5 * i));
		px_wait(waiter[i], PX_HELD);
		px_sleep(waiter[i], MS(5));
		lock[i] = px_lock(waiter[i], 0);
		px_unlock(waiter[i], 0);
	}
	px_set(waiter[1], PX_STOP);

	/* Whatever the group has of a period is gone soon after it has begun. */
	mate = px_actor(px, 1, PX_FAIR(-20));
	px_wait(mate, PX_HELD);
	px_sleep(mate, MS(8));
	px_burn_until(mate, PX_STOP, MS(400));

	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, waiter[0]->pid));
	ASSERT_EQ(0, px_group_join(GROUP, mate->pid));
	ASSERT_EQ(0, px_run(px, 20000));
	EXPECT_EQ(0, lock[0]->ret);
	EXPECT_EQ(0, lock[1]->ret);
	time = lock[1]->end - nap->start - MS(1200);
	TH_LOG("lock after %llu ms", (unsigned long long)time / 1000000);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(time, MS(200));
	if (!px->on)
		EXPECT_GE(time, MS(500));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
