// SPDX-License-Identifier: GPL-2.0
/*
 * How a donor gets out: by the lock, by a signal, by a kill. Nobody is lost on
 * the way (H7), nobody is late (H1, H8), nobody runs who must not [I1, I2].
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(wakeup)
{
	struct px *px;
};

FIXTURE_SETUP(wakeup)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(wakeup)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* Holds mutex 0 for @section, then goes on burning for @after. */
static struct px_actor *add_owner(struct px *px, struct px_attr attr,
				  uint64_t section, uint64_t after)
{
	struct px_actor *a = px_actor(px, 1, attr);

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_burn(a, section);
	px_unlock(a, 0);
	px_burn_until(a, PX_STOP, after);
	return a;
}

static struct tpe_op *add_waiter(struct px *px, struct px_attr attr,
				 uint64_t delay, uint32_t mode)
{
	struct px_actor *a = px_actor(px, 1, attr);
	struct tpe_op *op;

	px_wait(a, PX_HELD);
	px_sleep(a, delay);
	op = px_lock(a, 0);
	op->mode = mode;
	px_burn(a, MS(1));
	px_unlock(a, 0);
	return op;
}

/* --- signals (H8) ------------------------------------------------------- */

/*
 * A signal gets a donor out of its wait at once although the CPU is busy, and
 * with it goes what the owner ran on.
 */
static void leave(struct __test_metadata *_metadata, struct px *px,
		  struct px_attr attr, uint32_t mode, int sig, uint64_t bound)
{
	struct px_actor *owner = add_owner(px, PX_FAIR(19), MS(300), 0);
	struct tpe_op *lock = add_waiter(px, attr, MS(5), mode);
	struct px_actor *donor = &px->actor[1];
	uint64_t sent, before, burned;

	px_hog(px, 1, PX_FAIR(0), MS(400));
	px_hog(px, 1, PX_FAIR(0), MS(400));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(donor, lock, 3000));
	px_sleep_ms(20);
	before = px_burned(owner);
	sent = px_now();
	ASSERT_EQ(0, kill(donor->pid, sig));
	/* A killed one leaves its results, too. */
	while (!lock->runs && px_now() < sent + px_patient(2000))
		px_sleep_ms(1);
	ASSERT_EQ(1, lock->runs);
	EXPECT_EQ(-EINTR, lock->ret);
	TH_LOG("out after %llu us",
	       (unsigned long long)(lock->end - sent) / 1000);

	px_sleep_ms(10);
	burned = px_burned(owner);
	px_sleep_ms(100);
	burned = px_burned(owner) - burned;
	TH_LOG("owner: %llu us in the 20 ms before, %llu us in 100 ms after",
	       (unsigned long long)before / 1000,
	       (unsigned long long)burned / 1000);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "woken"), 0);
	if (px_timing()) {
		EXPECT_LE(lock->end - sent, px_limit(bound));
		EXPECT_LE(burned, MS(10));
	}
	EXPECT_LT(px_burned(owner), MS(300));
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 8000));
}

TEST_F(wakeup, kill_fair)
{
	leave(_metadata, self->px, PX_FAIR(0), TPE_KILLABLE, SIGKILL, MS(15));
}

TEST_F(wakeup, kill_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_KILLABLE, SIGKILL, MS(1));
}

TEST_F(wakeup, kill_deadline)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	leave(_metadata, self->px, PX_DL(MS(90), MS(100)), TPE_KILLABLE,
	      SIGKILL, MS(1));
}

TEST_F(wakeup, interrupt_fair)
{
	leave(_metadata, self->px, PX_FAIR(0), TPE_INTERRUPTIBLE, SIGUSR1,
	      MS(15));
	EXPECT_EQ(1, self->px->actor[1].sigusr1);
}

TEST_F(wakeup, interrupt_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_INTERRUPTIBLE, SIGUSR1,
	      MS(1));
	EXPECT_EQ(1, self->px->actor[1].sigusr1);
}

/* An uninterruptible donor stays, whatever is sent. */
TEST_F(wakeup, uninterruptible)
{
	struct px *px = self->px;
	struct tpe_op *lock;

	add_owner(px, PX_FAIR(19), MS(50), 0);
	lock = add_waiter(px, PX_FIFO(50), MS(5), TPE_UNINTERRUPTIBLE);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(&px->actor[1], lock, 3000));
	ASSERT_EQ(0, kill(px->actor[1].pid, SIGUSR1));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(1, px->actor[1].sigusr1);
}

/* Donors come and get killed while the owner runs on their time (H18). */
TEST_F_TIMEOUT(wakeup, kill_many, 300)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, PX_FAIR(19), MS(150), 0);
	struct tpe_op *lock[24];
	int i;

	/* The owner is as important as the best of them: begin with the least. */
	for (i = 0; i < 24; i++)
		lock[i] = add_waiter(px, i < 12 ? PX_FAIR(12 - i) : PX_RR(i),
				     MS(2) * i, TPE_KILLABLE);
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 24; i += 2) {
		px_wait_blocked(&px->actor[1 + i], lock[i], 1000);
		if (px->actor[1 + i].pid > 0)
			kill(px->actor[1 + i].pid, SIGKILL);
	}
	ASSERT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(0, owner->ret);
	for (i = 1; i < 24; i += 2)
		EXPECT_EQ(0, lock[i]->ret);
}

/* --- hand-off (H1) ------------------------------------------------------ */

/* The most important waiter has the CPU as soon as the lock is free. */
static void handoff(struct __test_metadata *_metadata, struct px *px,
		    struct px_attr attr, bool first, uint64_t bound)
{
	struct px_actor *owner = add_owner(px, PX_FAIR(19), MS(15), MS(200));
	struct tpe_op *unlock = &owner->op[4];
	struct tpe_op *lock, *other = NULL;
	uint64_t late;

	if (!first)
		other = add_waiter(px, PX_FAIR(19), MS(2),
				   TPE_UNINTERRUPTIBLE);
	lock = add_waiter(px, attr, MS(6), TPE_UNINTERRUPTIBLE);
	px_set(&px->actor[px->nr - 1], PX_STOP);
	ASSERT_EQ(0, px_run(px, 8000));
	EXPECT_EQ(0, lock->ret);
	/* The stamp of the end of unlock would be too late: it preempts. */
	late = lock->end - unlock->start;
	TH_LOG("lock %llu us after unlock", (unsigned long long)late / 1000);
	if (other)
		EXPECT_EQ(0, other->ret);
	if (px_timing() && (first || px->on))
		EXPECT_LE(late, px_limit(bound));
}

TEST_F(wakeup, handoff_fifo)
{
	handoff(_metadata, self->px, PX_FIFO(50), true, US(500));
}

TEST_F(wakeup, handoff_deadline)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	handoff(_metadata, self->px, PX_DL(MS(90), MS(100)), true, US(500));
}

TEST_F(wakeup, handoff_fair)
{
	handoff(_metadata, self->px, PX_FAIR(-20), true, MS(4));
}

/*
 * Another waiter is first in line. The donor need not overtake it, but then it
 * must donate to that one as well.
 */
TEST_F(wakeup, handoff_fifo_second_in_line)
{
	handoff(_metadata, self->px, PX_FIFO(50), false, MS(4));
}

/* --- many waiters (H7) -------------------------------------------------- */

static struct tpe_op *add_repeater(struct px *px, int cpu, struct px_attr attr,
				   int rounds)
{
	struct px_actor *a = px_actor(px, cpu, attr);
	struct tpe_op *op;

	px_wait(a, PX_GO);
	op = px_lock(a, 0);
	op->mode = a->slot & 1 ? TPE_INTERRUPTIBLE : TPE_UNINTERRUPTIBLE;
	px_burn(a, US(300));
	px_unlock(a, 0);
	op = px_burn(a, US(200));
	px_op(a, TPE_LOOP, 1, rounds);
	return op;
}

/* Tasks in uninterruptible sleep as the load average counts them, -1: unknown */
static long long uninterruptible(void)
{
	long long sum = 0, value, least = -1;
	char line[256];
	FILE *file;
	int i;

	/* Others may sleep for a moment, too. */
	for (i = 0; i < 20; i++) {
		file = fopen("/sys/kernel/debug/sched/debug", "r");
		if (!file)
			return -1;
		for (sum = 0; fgets(line, sizeof(line), file);) {
			if (sscanf(line, " .nr_uninterruptible : %lld",
				   &value) == 1)
				sum += value;
		}
		fclose(file);
		if (!i || sum < least)
			least = sum;
		px_sleep_ms(2);
	}
	return least;
}

static void repeat(struct __test_metadata *_metadata, struct px *px,
		   unsigned int cpus)
{
	static const struct px_attr attr[] = {
		PX_FAIR(19), PX_FAIR(0), PX_FIFO(20), PX_IDLE, PX_FAIR(-20),
		PX_RR(30), PX_FIFO(10), PX_BATCH(5),
	};
	long long before = uninterruptible();
	struct tpe_op *op[16];
	int i;

	for (i = 0; i < 16; i++)
		op[i] = add_repeater(px, cpus ? i % cpus : 1, attr[i % 8], 20);
	ASSERT_EQ(0, px_run(px, 15000));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(0, px->actor[i].ret);
		EXPECT_EQ(21, op[i]->runs);
		EXPECT_EQ(cpus ? i % cpus : 1, op[i]->cpu);
	}
	EXPECT_EQ(before, uninterruptible());
	/* A lock handed over is no deadlock (H12). */
	if (px->on)
		EXPECT_EQ(0, px_delta(px, "degraded_cycle"));
}

TEST_F(wakeup, many_waiters_one_cpu)
{
	repeat(_metadata, self->px, 0);
}

TEST_F(wakeup, many_waiters_all_cpus)
{
	repeat(_metadata, self->px, sysconf(_SC_NPROCESSORS_ONLN));
}

/* --- workqueues (H3) ---------------------------------------------------- */

/*
 * Workers that block on a mutex must tell their pool so, even when preempted
 * on their way to sleep: the owner waits for a work of the same pool.
 */
TEST_F(wakeup, workers)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *storm = px_actor(px, 1, PX_FIFO(50));
	int times = px_timing() ? 300 : 30;
	struct tpe_op *works;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	works = px_op(owner, TPE_WORKS, 0, TPE_MAX_WORKS);
	px_unlock(owner, 0);
	px_op(owner, TPE_WORKS_FINI, 0, 0);
	/* The way to sleep is a matter of nanoseconds: try often. */
	px_op(owner, TPE_LOOP, 1, times);

	px_wait(storm, PX_GO);
	px_sleep(storm, US(20));
	px_burn(storm, US(2));
	px_op(storm, TPE_LOOP, 1, 100 * times);
	ASSERT_EQ(0, px_run(px, 25000));
	EXPECT_EQ(0, works->ret);
}

/*
 * Once it has the lock, a task that sleeps for another reason is an ordinary
 * sleeper, whatever becomes of that lock (H7).
 */
TEST_F(wakeup, sleeps_after)
{
	struct px *px = self->px;
	struct px_actor *donor;
	struct tpe_op *nap;

	add_owner(px, PX_FAIR(19), MS(10), 0);
	add_waiter(px, PX_FIFO(50), MS(2), TPE_UNINTERRUPTIBLE);
	donor = &px->actor[1];
	nap = px_sleep(donor, MS(30));
	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_GE(nap->end - nap->start, MS(30));
}

/* --- what /proc says (H50) ---------------------------------------------- */

TEST_F(wakeup, looks_asleep)
{
	struct px *px = self->px;
	struct px_actor *donor;
	struct tpe_op *lock;
	char path[64], wchan[128] = "";

	add_owner(px, PX_FAIR(19), MS(50), 0);
	lock = add_waiter(px, PX_FIFO(50), MS(5), TPE_UNINTERRUPTIBLE);
	donor = &px->actor[1];
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(donor, lock, 3000));
	EXPECT_EQ('D', px_state(donor->pid));
	snprintf(path, sizeof(path), "/proc/%d/wchan", donor->pid);
	EXPECT_GT(px_read(path, wchan, sizeof(wchan)), 0);
	TH_LOG("wchan %s", wchan);
	EXPECT_STRNE("0", wchan);
	ASSERT_EQ(0, px_join(px, 5000));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
