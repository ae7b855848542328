// SPDX-License-Identifier: GPL-2.0
/*
 * Owner and waiter on different CPUs: the waiter is carried to where its owner
 * waits for a CPU, gives its time there, and comes back to where it may run.
 *
 * CPU 1 is the owner's, CPUs 2 and 3 are the waiters'. Latencies are given as
 * a ratio, in percent, of what was left of the critical section.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define OWNER_CPU	1
#define HOME		2

FIXTURE(away)
{
	struct px *px;
};

FIXTURE_SETUP(away)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(away)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* Holds mutex 0 for @section of its own time. */
static struct px_actor *add_owner(struct px *px, uint64_t section)
{
	struct px_actor *a = px_actor(px, OWNER_CPU, PX_FAIR(19));

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_burn(a, section);
	px_unlock(a, 0);
	return a;
}

static struct tpe_op *add_waiter(struct px *px, int cpu, struct px_attr attr,
				 uint32_t mode)
{
	struct px_actor *a = px_actor(px, cpu, attr);
	struct tpe_op *op;

	px_wait(a, PX_HELD);
	/* The owner has been preempted by now. */
	px_sleep(a, MS(10));
	op = px_lock(a, 0);
	op->mode = mode;
	px_unlock(a, 0);
	px_set(a, PX_STOP);
	return op;
}

static void add_hogs(struct px *px)
{
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(900));
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(900));
}

/* --- how long it takes -------------------------------------------------- */

FIXTURE(latency)
{
	struct px *px;
};

FIXTURE_VARIANT(latency)
{
	struct px_attr waiter;
	unsigned int cured;	/* ratio at most */
};

FIXTURE_SETUP(latency)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(latency)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

FIXTURE_VARIANT_ADD(latency, fifo)
{
	.waiter = PX_FIFO(50), .cured = 120,
};

FIXTURE_VARIANT_ADD(latency, fair)
{
	.waiter = PX_FAIR(0), .cured = 450,
};

FIXTURE_VARIANT_ADD(latency, fair_nice_minus_20)
{
	.waiter = PX_FAIR(-20), .cured = 200,
};

FIXTURE_VARIANT_ADD(latency, deadline)
{
	.waiter = PX_DL(MS(60), MS(100)), .cured = 120,
};

/* The waiter comes back to its only CPU, and stays (H11). */
TEST_F(latency, section)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(20)), *waiter;
	struct tpe_op *lock;
	unsigned int ratio, i;

	if (variant->waiter.policy == SCHED_DEADLINE)
		ASSERT_EQ(0, px_dl_begin(px));
	lock = add_waiter(px, HOME, variant->waiter, TPE_UNINTERRUPTIBLE);
	lock->watch = owner->slot;
	waiter = &px->actor[px->nr - 1];
	add_hogs(px);

	ASSERT_EQ(0, px_run(px, 20000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(0, waiter->ret);
	for (i = 0; i < waiter->nr; i++)
		EXPECT_EQ(HOME, waiter->op[i].cpu);
	for (i = 0; i < owner->nr; i++)
		EXPECT_EQ(OWNER_CPU, owner->op[i].cpu);
	ratio = px_ratio(lock, MS(20), NULL);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "migrated"), 0);
		EXPECT_GT(px_delta(px, "returned"), 0);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(variant->cured));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

/*
 * Owner on CPU 1, another one that waits for it on CPU 2, the waiter on CPU 3:
 * the chain goes to CPU 1, and its parts come home.
 */
TEST_F(away, chain_of_three_cpus)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(20)), *middle, *waiter;
	struct tpe_op *lock, *inner;
	unsigned int ratio;

	add_hogs(px);
	middle = px_actor(px, 2, PX_FAIR(19));
	px_lock(middle, 1);
	px_wait(middle, PX_HELD);
	px_sleep(middle, MS(2));
	inner = px_lock_nested(middle, 0, 1);
	px_unlock(middle, 0);
	px_unlock(middle, 1);

	waiter = px_actor(px, 3, PX_FIFO(50));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(10));
	lock = px_lock(waiter, 1);
	lock->watch = owner->slot;
	px_unlock(waiter, 1);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_run(px, 20000));
	EXPECT_EQ(0, middle->ret);
	EXPECT_EQ(0, waiter->ret);
	EXPECT_EQ(2, inner->cpu);
	EXPECT_EQ(3, lock->cpu);
	ratio = px_ratio(lock, MS(20), NULL);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px))
		EXPECT_GE(px_delta(px, "migrated"), 2);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(120));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

/*
 * The owner runs when the waiters come. That costs nothing, they need not be
 * queued; when it is preempted later on, they are. False if a kernel thread has
 * preempted it just then, and it may be @again.
 */
static bool parked_then_preempted(struct __test_metadata *_metadata,
				  struct px *px, bool again)
{
	struct px_actor *owner = px_actor(px, OWNER_CPU, PX_FIFO(1));
	struct px_actor *waiter = px_actor(px, HOME, PX_FIFO(50));
	struct px_actor *other = px_actor(px, HOME, PX_FIFO(60));
	struct tpe_op *lock, *tail;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_FLAG);
	px_burn_until(owner, PX_HELD, MS(3000));
	tail = px_burn(owner, MS(20));
	px_unlock(owner, 0);
	/* Nobody else preempts the owner, if only for the moment that matters. */
	px_hog(px, OWNER_CPU, PX_FIFO(2), MS(900));

	px_wait(waiter, PX_FLAG);
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	/* Makes the waiter give up its optimistic spinning. */
	px_wait(other, PX_FLAG);
	px_sleep(other, MS(2));
	px_burn(other, US(100));
	px_op(other, TPE_LOOP, 1, 5);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 2000));
	px_sleep_ms(10);
	EXPECT_EQ('D', px_state(waiter->pid));
	if (again && px_timing() && px_cpu(waiter->pid) != HOME) {
		ASSERT_EQ(0, px_set_flag(px, PX_HELD));
		ASSERT_EQ(0, px_join(px, 15000));
		return false;
	}
	if (px_timing())
		EXPECT_EQ(HOME, px_cpu(waiter->pid));
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "parked_running"), 0);
	if (px_timing())
		EXPECT_EQ(0, px_delta(px, "migrated"));
	ASSERT_EQ(0, px_set_flag(px, PX_HELD));
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(HOME, lock->cpu);
	ratio = (lock->end - tail->start) * 100 / MS(20);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "migrated"), 0);
	if (!px_timing())
		return true;
	if (px->on)
		EXPECT_LE(ratio, px_limit(130));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
	return true;
}

TEST_F(away, parked_then_preempted)
{
	int again = 2;

	while (!parked_then_preempted(_metadata, self->px, again)) {
		TH_LOG("once more, the owner was preempted by others");
		again--;
		ASSERT_EQ(0, px_close(self->px));
		self->px = px_open();
		ASSERT_NE(NULL, self->px);
	}
}

/* --- where the waiter comes back to (H11, H16) -------------------------- */

/* It had migration disabled, so it must not move at all. */
TEST_F(away, migrate_disable)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(30));
	struct px_actor *waiter = px_actor(px, HOME, PX_FAIR(-10));
	struct tpe_op *lock, *after, *unlock;

	add_hogs(px);
	px_op(waiter, TPE_MIGRATE_DISABLE, 0, 0);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(10));
	lock = px_lock(waiter, 0);
	after = px_burn(waiter, MS(2));
	unlock = px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_start(px));
	px_sleep_ms(5);
	/* Migration is disabled by now; the mask alone would allow others. */
	ASSERT_EQ(0, px_set_cpus(waiter->pid, 0xc));
	ASSERT_EQ(0, px_run(px, 20000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(0, waiter->ret);
	EXPECT_EQ(HOME, lock->cpu);
	EXPECT_EQ(HOME, after->cpu);
	EXPECT_EQ(HOME, unlock->cpu);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "returned"), 0);
}

/*
 * The same, and its mask changes while it is away. What counts is where it will
 * run, not where it is: a mask with its home is good at once, one without has
 * to wait until migration is enabled again.
 */
TEST_F(away, migrate_disable_mask)
{
	struct px *px = self->px;
	struct px_actor *waiter;
	struct tpe_op *lock;
	uint64_t time;
	pid_t child;
	int status;

	add_owner(px, MS(60));
	waiter = px_actor(px, HOME, PX_FAIR(-10));
	add_hogs(px);
	px_op(waiter, TPE_MIGRATE_DISABLE, 0, 0);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(10));
	lock = px_lock(waiter, 0);
	px_burn(waiter, MS(2));
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	if (px_counts(px))
		EXPECT_EQ(OWNER_CPU, px_cpu(waiter->pid));

	time = px_now();
	EXPECT_EQ(0, px_set_cpus(waiter->pid, 0xc));
	time = px_now() - time;
	if (px_timing())
		EXPECT_LE(time, MS(5));
	EXPECT_EQ(0, lock->runs);

	child = fork();
	if (!child)
		_exit(px_set_cpus(waiter->pid, 0xa) ? 1 : 0);
	px_sleep_ms(5);
	if (px_timing())
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	ASSERT_EQ(0, px_join(px, 20000));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	/* Unless the waiter was gone first */
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(HOME, lock->cpu);
}

/* The only CPU it may run on changes while it is away. */
TEST_F(away, mask_changed_while_away)
{
	struct px *px = self->px;
	struct px_actor *waiter;
	struct tpe_op *lock;

	add_owner(px, MS(60));
	lock = add_waiter(px, HOME, PX_FAIR(0), TPE_UNINTERRUPTIBLE);
	waiter = &px->actor[px->nr - 1];
	add_hogs(px);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	if (px_counts(px))
		EXPECT_EQ(OWNER_CPU, px_cpu(waiter->pid));
	ASSERT_EQ(0, px_set_cpus(waiter->pid, 8));
	EXPECT_EQ('D', px_state(waiter->pid));
	ASSERT_EQ(0, px_join(px, 20000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(3, lock->cpu);
}

/* --- signals (H8) ------------------------------------------------------- */

/*
 * The first waiter of a mutex, once woken, spins while the owner runs, before
 * it looks at signals. That ends with the slice of the owner, which is on its
 * own again.
 */
#define SIGNAL_BOUND	MS(5)

/* Its own CPU is idle all the time, so nothing else may hold it up. */
static void leave(struct __test_metadata *_metadata, struct px *px,
		  struct px_attr attr, uint32_t mode, int sig)
{
	struct px_actor *owner = add_owner(px, MS(300)), *waiter;
	struct tpe_op *lock = add_waiter(px, HOME, attr, mode);
	uint64_t sent, burned;

	waiter = &px->actor[px->nr - 1];
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(400));
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(400));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(20);
	if (px_counts(px))
		EXPECT_EQ(OWNER_CPU, px_cpu(waiter->pid));
	sent = px_now();
	ASSERT_EQ(0, kill(waiter->pid, sig));
	while (!lock->runs && px_now() < sent + px_patient(2000))
		px_sleep_ms(1);
	ASSERT_EQ(1, lock->runs);
	EXPECT_EQ(-EINTR, lock->ret);
	EXPECT_EQ(HOME, lock->cpu);
	TH_LOG("out after %llu us",
	       (unsigned long long)(lock->end - sent) / 1000);

	/* What the owner ran on has gone with it. */
	px_sleep_ms(10);
	burned = px_burned(owner);
	px_sleep_ms(100);
	burned = px_burned(owner) - burned;
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "migrated"), 0);
		EXPECT_GT(px_delta(px, "returned"), 0);
	}
	if (px_timing()) {
		EXPECT_LE(lock->end - sent, px_limit(SIGNAL_BOUND));
		EXPECT_LE(burned, MS(10));
		EXPECT_LT(px_burned(owner), MS(300));
	}
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 8000));
}

TEST_F(away, kill_fair)
{
	leave(_metadata, self->px, PX_FAIR(0), TPE_KILLABLE, SIGKILL);
}

TEST_F(away, kill_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_KILLABLE, SIGKILL);
}

TEST_F(away, kill_deadline)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	leave(_metadata, self->px, PX_DL(MS(90), MS(100)), TPE_KILLABLE,
	      SIGKILL);
}

TEST_F(away, interrupt_fair)
{
	leave(_metadata, self->px, PX_FAIR(0), TPE_INTERRUPTIBLE, SIGUSR1);
}

TEST_F(away, interrupt_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_INTERRUPTIBLE, SIGUSR1);
}

/* The middle of a chain is interrupted, and drops what the end waits for. */
TEST_F(away, interrupt_middle)
{
	struct px *px = self->px;
	struct px_actor *middle, *waiter;
	struct tpe_op *inner, *lock;
	uint64_t sent;

	add_owner(px, MS(200));
	add_hogs(px);
	middle = px_actor(px, 2, PX_FAIR(0));
	px_lock(middle, 1);
	px_wait(middle, PX_HELD);
	px_sleep(middle, MS(8));
	inner = px_lock_nested(middle, 0, 1);
	inner->mode = TPE_INTERRUPTIBLE;

	waiter = px_actor(px, 3, PX_FIFO(50));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(12));
	lock = px_lock(waiter, 1);
	px_unlock(waiter, 1);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(middle, inner, 3000));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(10);
	sent = px_now();
	ASSERT_EQ(0, kill(middle->pid, SIGUSR1));
	while (!lock->runs && px_now() < sent + px_patient(2000))
		px_sleep_ms(1);
	ASSERT_EQ(1, lock->runs);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(-EINTR, inner->ret);
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(2, inner->cpu);
	EXPECT_EQ(3, lock->cpu);
	TH_LOG("lock %llu us after the signal",
	       (unsigned long long)(lock->end - sent) / 1000);
	if (px_timing())
		EXPECT_LE(lock->end - sent, px_limit(SIGNAL_BOUND));
}

/* Many come and get killed on the way, all the time (H18). */
TEST_F_TIMEOUT(away, kill_many, 300)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(150));
	struct tpe_op *lock[48];
	int i;

	add_hogs(px);
	for (i = 0; i < 48; i++) {
		struct px_actor *a = px_actor(px, 1 + i % 3, i < 24 ?
					      PX_FAIR(12 - i % 12) : PX_RR(i));

		px_wait(a, PX_HELD);
		px_sleep(a, MS(6) + US(700) * i);
		lock[i] = px_lock(a, 0);
		lock[i]->mode = TPE_KILLABLE;
		px_unlock(a, 0);
	}
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 48; i += 2) {
		struct px_actor *a = &px->actor[3 + i];

		px_wait_blocked(a, lock[i], 200);
		if (i % 4)
			px_sleep_ms(1);
		if (a->pid > 0)
			kill(a->pid, SIGKILL);
	}
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, owner->ret);
	for (i = 1; i < 48; i += 2) {
		EXPECT_EQ(0, lock[i]->ret);
		EXPECT_EQ(1 + i % 3, lock[i]->cpu);
	}
}

/* --- no detour through the idle task (H22, H23, H24) --------------------- */

/* How often @cpu has found nothing to run, -1: not counted */
static long goidle(int cpu)
{
	char name[16], *line;
	static char buf[16384];
	unsigned long n;

	snprintf(name, sizeof(name), "cpu%d ", cpu);
	if (px_read("/proc/schedstat", buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, name);
	if (!line || sscanf(line + strlen(name), "%*u %*u %*u %lu", &n) != 1)
		return -1;
	return n;
}

/*
 * Owner and waiter meet all the time, each on a CPU that also has a hog: there
 * is something to run in all the switches that this takes.
 */
static void meet(struct __test_metadata *_metadata, struct px *px,
		 int owner_cpu, int waiter_cpu, struct px_attr attr, bool hogs)
{
	struct px_actor *owner, *waiter;
	long before[2], after[2];

	/* It has to lose the CPU with the lock held. */
	owner = px_actor(px, owner_cpu, PX_FAIR(10));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn_until(owner, PX_STOP, MS(4));
	px_unlock(owner, 0);
	px_op(owner, TPE_LOOP, 1, 200);

	waiter = px_actor(px, waiter_cpu, attr);
	px_wait(waiter, PX_HELD);
	px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_sleep(waiter, MS(2));
	px_op(waiter, TPE_LOOP, 1, 60);
	px_set(waiter, PX_FLAG);

	if (hogs) {
		px_hog(px, owner_cpu, PX_FAIR(0), MS(60000));
		px_hog(px, waiter_cpu, PX_FAIR(0), MS(60000));
	}
	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_go(px));
	px_sleep_ms(35);
	before[0] = goidle(owner_cpu);
	before[1] = goidle(waiter_cpu);
	while (px_pc(waiter) < waiter->nr && !waiter->done)
		px_sleep_ms(1);
	after[0] = goidle(owner_cpu);
	after[1] = goidle(waiter_cpu);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 10000));
	TH_LOG("%lld donations, %lld moves; idle %ld and %ld times",
	       px_delta(px, "donations"), px_delta(px, "migrated"),
	       after[0] - before[0], after[1] - before[1]);
	if (!px_timing())
		return;
	if (hogs) {
		EXPECT_EQ(before[0], after[0]);
		EXPECT_EQ(before[1], after[1]);
		EXPECT_GE(px_delta(px, "donations"), 5);
	} else {
		/* This is about the count. */
		EXPECT_GT(after[1], before[1]);
	}
}

FIXTURE(idle)
{
	struct px *px;
};

FIXTURE_SETUP(idle)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	if (px_write("/proc/sys/kernel/sched_schedstats", "1") || goidle(1) < 0)
		SKIP(return, "no schedstats");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(idle)
{
	px_write("/proc/sys/kernel/sched_schedstats", "0");
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

TEST_F(idle, same_cpu)
{
	meet(_metadata, self->px, OWNER_CPU, OWNER_CPU, PX_FIFO(50), true);
}

TEST_F(idle, other_cpu_fair)
{
	meet(_metadata, self->px, OWNER_CPU, HOME, PX_FAIR(-20), true);
}

TEST_F(idle, other_cpu_fifo)
{
	meet(_metadata, self->px, OWNER_CPU, HOME, PX_FIFO(50), true);
}

TEST_F(idle, without_hogs)
{
	meet(_metadata, self->px, OWNER_CPU, HOME, PX_FIFO(50), false);
}

/* --- statistics (H45) --------------------------------------------------- */

/* To be carried about is not to migrate. */
TEST_F(away, nr_migrations)
{
	struct px *px = self->px;
	struct px_actor *waiter;
	struct tpe_op *lock;
	long long before;

	add_owner(px, MS(40));
	add_hogs(px);
	waiter = px_actor(px, HOME, PX_FAIR(-20));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(10));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);
	px_wait(waiter, PX_FLAG);

	ASSERT_EQ(0, px_start(px));
	before = px_sched(waiter->pid, "se.nr_migrations");
	if (before < 0)
		SKIP(return, "no nr_migrations");
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	if (px_counts(px))
		EXPECT_EQ(OWNER_CPU, px_cpu(waiter->pid));
	EXPECT_EQ(before, px_sched(waiter->pid, "se.nr_migrations"));
	/* Until it waits for the last flag */
	while (px_pc(waiter) < waiter->nr)
		px_sleep_ms(1);
	px_sleep_ms(2);
	EXPECT_EQ(HOME, px_cpu(waiter->pid));
	EXPECT_EQ(before, px_sched(waiter->pid, "se.nr_migrations"));
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "migrated"), 0);
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 5000));
}

/*
 * It comes home, finds a FIFO task there, and wakes up on another CPU: moved
 * twice before it is enqueued, and what it has used so far is still known.
 */
TEST_F(away, utilization_survives)
{
	struct px *px = self->px;
	struct px_actor *waiter, *fifo;
	struct tpe_op *lock;
	long long before, after;

	add_owner(px, MS(40));
	add_hogs(px);
	waiter = px_actor(px, HOME, PX_FAIR(-20));
	px_wait(waiter, PX_HELD);
	px_burn(waiter, MS(150));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);
	px_wait(waiter, PX_FLAG);
	fifo = px_actor(px, HOME, PX_FIFO(50));
	px_wait(fifo, PX_FLAG + 1);
	px_burn_until(fifo, PX_STOP, MS(2000));

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 5000));
	before = px_sched(waiter->pid, "se.avg.util_avg");
	if (before < 0)
		SKIP(return, "no util_avg");
	ASSERT_EQ(0, px_set_cpus(waiter->pid, 12));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	/* Until it waits for the last flag */
	while (px_pc(waiter) < waiter->nr)
		px_sleep_ms(1);
	px_sleep_ms(1);
	after = px_sched(waiter->pid, "se.avg.util_avg");
	TH_LOG("util_avg %lld, then %lld", before, after);
	if (px_timing()) {
		EXPECT_GE(before, 400);
		/* The wait is forgotten by half each 32 ms. */
		EXPECT_GE(after, before / 8);
	}
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 5000));
	if (px_timing())
		EXPECT_EQ(3, lock->cpu);
}

/*
 * What the waiters weigh is added where they are queued and taken off there,
 * thousands of times. At the end each CPU has its hog, and nothing else.
 */
TEST_F(away, load_avg)
{
	struct px *px = self->px;
	int rounds = px_timing() ? 250 : 500;
	struct px_actor *owner = px_actor(px, OWNER_CPU, PX_FAIR(0));
	struct tpe_op *last[2];
	long long load[3], min[3] = { 0, 1 << 20, 1 << 20 }, max = 0;
	bool unknown = false;
	int i, cpu, n = 0;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(5));
	px_unlock(owner, 0);
	px_burn(owner, US(100));
	px_op(owner, TPE_LOOP, 1, rounds);
	for (i = 0; i < 2; i++) {
		/* Better than the owner, or it would be left to the tick */
		struct px_actor *a = px_actor(px, HOME, PX_FAIR(i ? -1 : -10));

		px_wait(a, PX_HELD);
		px_lock(a, 0);
		px_burn(a, US(50));
		px_unlock(a, 0);
		px_sleep(a, US(700 + 200 * i));
		last[i] = px_op(a, TPE_LOOP, 1, rounds);
	}
	for (cpu = OWNER_CPU; cpu <= HOME; cpu++)
		px_hog(px, cpu, PX_FAIR(0), MS(60000));
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 3; i++) {
		while (!px->actor[i].done) {
			px_sleep_ms(20);
			/* The averages take 100 ms to get there. */
			if (++n < 20)
				continue;
			for (cpu = OWNER_CPU; cpu <= HOME; cpu++) {
				load[cpu] = px_debug_cfs(cpu, "load_avg");
				if (load[cpu] < 0)
					unknown = true;
				if (load[cpu] < min[cpu])
					min[cpu] = load[cpu];
			}
			if (load[OWNER_CPU] + load[HOME] > max)
				max = load[OWNER_CPU] + load[HOME];
		}
	}
	if (unknown)
		SKIP(goto out, "no load_avg");
	TH_LOG("load_avg at least %lld and %lld, together at most %lld",
	       min[OWNER_CPU], min[HOME], max);
	/* The hogs are always there; and what all of them weigh */
	EXPECT_GE(min[OWNER_CPU], 900);
	EXPECT_GE(min[HOME], 900);
	/*
	 * One who is moved between the two reads, or has left a CPU that has
	 * not looked since, counts twice.
	 */
	if (px_timing())
		EXPECT_LE(max, 2 * (2 * 1024 + 9548) * 11 / 10);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(rounds + 1, last[i]->runs);
	if (px_counts(px)) {
		TH_LOG("%lld bounces", px_delta(px, "migrated"));
		EXPECT_GE(px_delta(px, "migrated"), rounds / 2);
	}
	/* Half of what does not belong is forgotten every 32 ms. */
	px_sleep_ms(500);
	for (cpu = OWNER_CPU; cpu <= HOME; cpu++) {
		load[cpu] = px_debug_cfs(cpu, "load_avg");
		TH_LOG("CPU %d: load_avg %lld util_avg %lld", cpu, load[cpu],
		       px_debug_cfs(cpu, "util_avg"));
		EXPECT_GE(load[cpu], 850);
		EXPECT_LE(load[cpu], 1200);
		EXPECT_GE(px_debug_cfs(cpu, "util_avg"), 0);
		EXPECT_LE(px_debug_cfs(cpu, "util_avg"), 1050);
		EXPECT_GE(px_debug_cfs(cpu, "runnable_avg"), 0);
		EXPECT_LE(px_debug_cfs(cpu, "runnable_avg"), 1200);
	}
out:
	px_set_flag(px, PX_STOP);
	EXPECT_EQ(0, px_join(px, 5000));
}

/* --- attributes, in every state (H15) ----------------------------------- */

FIXTURE(attr)
{
	struct px *px;
	struct px_actor *owner;
	struct px_actor *waiter;
	struct tpe_op *lock;
};

FIXTURE_VARIANT(attr)
{
	bool asleep;		/* the owner is, so the waiter is parked */
	bool runs;		/* the owner does, all the time */
	struct px_attr hog;	/* on the owner's CPU */
	struct px_attr waiter;
	int home;
};

/* Parked on a sleeping owner */
FIXTURE_VARIANT_ADD(attr, parked)
{
	.asleep = true, .hog = PX_FAIR(0), .waiter = PX_FAIR(0), .home = HOME,
};

/* Parked on a running owner */
FIXTURE_VARIANT_ADD(attr, parked_running)
{
	.runs = true, .waiter = PX_FAIR(0), .home = HOME,
};

/* Carried to its owner, and not picked there */
FIXTURE_VARIANT_ADD(attr, away)
{
	.hog = PX_FIFO(40), .waiter = PX_FAIR(0), .home = HOME,
};

/* Carried to its owner, which runs on its time */
FIXTURE_VARIANT_ADD(attr, away_donor)
{
	.hog = PX_FAIR(0), .waiter = PX_FIFO(50), .home = HOME,
};

/* At home, where its owner runs on its time */
FIXTURE_VARIANT_ADD(attr, home)
{
	.hog = PX_FIFO(40), .waiter = PX_FIFO(50), .home = OWNER_CPU,
};

/*
 * The owner holds mutex 0 until PX_STOP, in the state the variant says. It
 * also has a futex that others can boost it by; so has the waiter.
 */
FIXTURE_SETUP(attr)
{
	struct px_actor *a;
	struct px *px;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	px = px_open();
	ASSERT_NE(NULL, px);
	self->px = px;

	a = px_actor(px, OWNER_CPU, PX_FAIR(19));
	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, variant->asleep ? PX_FLAG : PX_HELD);
	if (variant->asleep)
		px_wait(a, PX_STOP);
	else
		px_burn_until(a, PX_STOP, MS(20000));
	px_burn(a, MS(2));
	px_unlock(a, 0);
	self->owner = a;

	a = px_actor(px, variant->home, variant->waiter);
	if (!variant->asleep)
		px_wait(a, PX_HELD);
	px_wait(a, PX_FLAG);
	self->lock = px_lock(a, 0);
	px_burn(a, US(200));
	px_unlock(a, 0);
	self->waiter = a;

	if (!variant->runs && !variant->asleep)
		px_hog(px, OWNER_CPU, variant->hog, MS(20000));
	if (variant->runs) {
		/* Against the waiter's optimistic spinning */
		a = px_actor(px, HOME, PX_FIFO(60));
		px_wait(a, PX_FLAG);
		px_sleep(a, MS(2));
		px_burn(a, US(100));
		px_op(a, TPE_LOOP, 1, 4);
	}
}

/* Who has the futex: px_start() starts all, so this is the last word. */
static void attr_go(struct __test_metadata *_metadata, struct px *px,
		    struct px_actor *waiter, struct tpe_op *lock,
		    struct px_actor *pi)
{
	pi->pi = true;
	ASSERT_EQ(0, px_go(px));
	px_sleep_ms(15);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 5000));
	px_sleep_ms(5);
}

FIXTURE_TEARDOWN(attr)
{
	px_set_flag(self->px, PX_STOP);
	EXPECT_EQ(0, px_join(self->px, 15000));
	EXPECT_EQ(0, self->owner->ret);
	EXPECT_EQ(0, self->waiter->ret);
	EXPECT_EQ(1, self->lock->runs);
	EXPECT_EQ(0, self->lock->ret);
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

static void each_attr(struct __test_metadata *_metadata, struct px_actor *a,
		      struct px_actor *waiter)
{
	static const struct px_attr attr[] = {
		PX_FAIR(-5), PX_FAIR(5), PX_FIFO(10), PX_RR(45), PX_FIFO(60),
		PX_BATCH(0), PX_IDLE, PX_FAIR(-20), PX_FIFO(45),
	};
	unsigned int i, n;

	for (n = 0; n < 5; n++) {
		for (i = 0; i < ARRAY_SIZE(attr); i++) {
			ASSERT_EQ(0, px_set_attr(a->pid, attr[i]));
			if (n & 1)
				px_sleep_ms(1);
			EXPECT_EQ('D', px_state(waiter->pid));
		}
	}
	EXPECT_EQ(0, px_set_attr(a->pid, PX_FAIR(0)));
}

TEST_F(attr, class_of_waiter)
{
	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	each_attr(_metadata, self->waiter, self->waiter);
}

TEST_F(attr, class_of_owner)
{
	attr_go(_metadata, self->px, self->waiter, self->lock, self->owner);
	each_attr(_metadata, self->owner, self->waiter);
}

TEST_F(attr, deadline)
{
	int i;

	ASSERT_EQ(0, px_dl_begin(self->px));
	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	for (i = 0; i < 10; i++) {
		struct px_actor *a = i & 1 ? self->owner : self->waiter;

		ASSERT_EQ(0, px_set_attr(a->pid, PX_DL(MS(2), MS(20))));
		px_sleep_ms(i % 4);
		EXPECT_EQ('D', px_state(self->waiter->pid));
		ASSERT_EQ(0, px_set_attr(a->pid, PX_FAIR(i - 5)));
	}
}

TEST_F(attr, affinity_of_waiter)
{
	static const unsigned long mask[] = { 8, 6, 2, 12, 4, 10, 8 };
	unsigned int i, n;

	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	for (n = 0; n < 5; n++) {
		for (i = 0; i < ARRAY_SIZE(mask); i++) {
			ASSERT_EQ(0, px_set_cpus(self->waiter->pid, mask[i]));
			if (n & 1)
				px_sleep_ms(1);
			EXPECT_EQ('D', px_state(self->waiter->pid));
		}
	}
	/* Wherever it belongs now, its owner still has its time. */
	if (variant->waiter.policy == SCHED_FIFO && px_timing()) {
		uint64_t before = px_burned(self->owner);

		px_sleep_ms(20);
		EXPECT_GT(px_burned(self->owner) - before, MS(10));
	}
	/* The last mask allows CPU 3 alone. */
	px_set_flag(self->px, PX_STOP);
	ASSERT_EQ(0, px_join(self->px, 15000));
	EXPECT_EQ(3, self->lock->cpu);
}

/* It takes its waiter along, or leaves it behind. */
TEST_F(attr, affinity_of_owner)
{
	static const unsigned long mask[] = { 8, 4, 2, 12, 10, 8, 2 };
	unsigned int i, n;

	attr_go(_metadata, self->px, self->waiter, self->lock, self->owner);
	for (n = 0; n < 5; n++) {
		for (i = 0; i < ARRAY_SIZE(mask); i++) {
			ASSERT_EQ(0, px_set_cpus(self->owner->pid, mask[i]));
			if (n & 1)
				px_sleep_ms(1);
			EXPECT_EQ('D', px_state(self->waiter->pid));
		}
	}
	px_sleep_ms(10);
}

TEST_F(attr, cgroup)
{
	struct px *px = self->px;
	int i;

	if (px_group_make("px_a") || px_group_make("px_b"))
		SKIP(return, "no cgroup2 with a cpu controller");
	px_group_set("px_a", "cpu.weight", "1000");
	px_group_set("px_b", "cpu.max", "20000 100000");
	attr_go(_metadata, px, self->waiter, self->lock, self->waiter);
	for (i = 0; i < 24; i++) {
		static const char * const group[] = { "px_a", "px_b", "" };
		struct px_actor *a = i & 4 ? self->owner : self->waiter;

		EXPECT_EQ(0, px_group_join(group[i % 3], a->pid));
		if (i & 1)
			px_sleep_ms(2);
		EXPECT_EQ('D', px_state(self->waiter->pid));
	}
	EXPECT_EQ(0, px_group_join("", self->owner->pid));
	EXPECT_EQ(0, px_group_join("", self->waiter->pid));
	px_set_flag(px, PX_STOP);
	EXPECT_EQ(0, px_join(px, 15000));
	px_group_remove("px_a");
	px_group_remove("px_b");
}

/*
 * Who waits for a futex spins, deaf to signals, as long as the owner runs. So
 * let the owner be interrupted all the time, until this actor is killed.
 */
static struct px_actor *add_interrupts(struct px *px)
{
	struct px_actor *a = px_actor(px, OWNER_CPU, PX_FIFO(99));

	px_wait(a, PX_FLAG);
	px_burn(a, US(20));
	px_sleep(a, US(800));
	px_op(a, TPE_LOOP, 1, 20000);
	return a;
}

static void boost(struct __test_metadata *_metadata, struct px *px,
		  struct px_actor *waiter)
{
	int i, n;

	for (i = 0; i < 12; i++) {
		pid_t pid = px_boost(px, PX_FIFO(20 + 5 * i));

		ASSERT_GT(pid, 0);
		px_sleep_ms(1 + i % 3);
		for (n = 0; n < 500 && px_state(pid) != 'S'; n++)
			px_sleep_ms(1);
		EXPECT_EQ('S', px_state(pid));
		EXPECT_EQ('D', px_state(waiter->pid));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		EXPECT_EQ('D', px_state(waiter->pid));
	}
}

TEST_F(attr, boost_of_waiter)
{
	struct px_actor *interrupts = add_interrupts(self->px);

	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	boost(_metadata, self->px, self->waiter);
	kill(interrupts->pid, SIGKILL);
}

TEST_F(attr, boost_of_owner)
{
	struct px_actor *interrupts = add_interrupts(self->px);

	attr_go(_metadata, self->px, self->waiter, self->lock, self->owner);
	boost(_metadata, self->px, self->waiter);
	kill(interrupts->pid, SIGKILL);
}

/* A CPU goes down: the owner's, or the waiter's home (H47). */
static void offline(struct __test_metadata *_metadata, struct px *px,
		    struct px_actor *waiter, int cpu)
{
	int ret = px_online(cpu, false);

	if (ret == -ENOENT || ret == -EACCES)
		SKIP(return, "no CPU hotplug");
	EXPECT_EQ(0, ret);
	px_sleep_ms(20);
	EXPECT_EQ('D', px_state(waiter->pid));
	EXPECT_EQ(0, px_online(cpu, true));
	px_sleep_ms(5);
	EXPECT_EQ('D', px_state(waiter->pid));
}

TEST_F(attr, offline_owner)
{
	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	offline(_metadata, self->px, self->waiter, OWNER_CPU);
}

TEST_F(attr, offline_home)
{
	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	offline(_metadata, self->px, self->waiter, HOME);
}

/* The waiter has nowhere to go back to until it wakes. */
TEST_F(attr, offline_home_until_the_end)
{
	int ret;

	attr_go(_metadata, self->px, self->waiter, self->lock, self->waiter);
	ret = px_online(HOME, false);
	if (ret == -ENOENT || ret == -EACCES)
		SKIP(return, "no CPU hotplug");
	EXPECT_EQ(0, ret);
	px_set_flag(self->px, PX_STOP);
	EXPECT_EQ(0, px_join(self->px, 15000));
	EXPECT_NE(HOME, self->lock->cpu);
	EXPECT_EQ(0, px_online(HOME, true));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
