// SPDX-License-Identifier: GPL-2.0
/*
 * The lock goes to whom its owner ran for, at once (H1), no other lock does
 * (H19), and whoever becomes the owner inherits those that wait for it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(handoff)
{
	struct px *px;
};

FIXTURE_SETUP(handoff)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(handoff)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* --- the former owner stops (H1) ---------------------------------------- */

/*
 * The owner has 200 ms more to burn after its unlock. The waiter, on whose time
 * it ran, need not wait for that.
 */
static void burn_after(struct __test_metadata *_metadata, struct px *px,
		       struct px_attr attr, int cpu, bool hogs, uint64_t bound)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19)), *waiter;
	struct tpe_op *unlock, *lock, *next;
	uint64_t late;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(15));
	unlock = px_unlock(owner, 0);
	px_burn_until(owner, PX_STOP, MS(200));
	if (hogs) {
		px_hog(px, 1, PX_FAIR(0), MS(500));
		px_hog(px, 1, PX_FAIR(0), MS(500));
	}

	waiter = px_actor(px, cpu, attr);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(7));
	lock = px_lock(waiter, 0);
	next = px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_run(px, 8000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(cpu, lock->cpu);
	/* The stamp of the end of unlock would be too late: it preempts. */
	late = lock->end - unlock->start;
	TH_LOG("lock %llu us after unlock", (unsigned long long)late / 1000);
	if (px_counts(px) && (hogs || cpu == 1)) {
		EXPECT_GT(px_delta(px, "donations"), 0);
		EXPECT_EQ(1, px_delta(px, "handoffs"));
	}
	if (px_timing()) {
		EXPECT_LE(late, px_limit(bound));
		EXPECT_LE(next->start - unlock->start, bound + US(50));
	}
}

TEST_F(handoff, fifo_same_cpu)
{
	burn_after(_metadata, self->px, PX_FIFO(50), 1, false, US(300));
}

TEST_F(handoff, fifo_same_cpu_hogs)
{
	burn_after(_metadata, self->px, PX_FIFO(50), 1, true, US(300));
}

TEST_F(handoff, fifo_remote)
{
	burn_after(_metadata, self->px, PX_FIFO(50), 2, true, US(300));
}

TEST_F(handoff, fair_remote)
{
	burn_after(_metadata, self->px, PX_FAIR(-20), 2, true, US(300));
}

TEST_F(handoff, deadline_remote)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	burn_after(_metadata, self->px, PX_DL(MS(90), MS(100)), 2, true,
		   US(300));
}

/* --- no other lock (H19) ------------------------------------------------ */

/*
 * The owner runs on the time of one that waits for mutex 0, while it lets go
 * of mutex 1, for which somebody waits, too. It may take that again at once,
 * and only the last unlock is a hand-off.
 */
TEST_F(handoff, unrelated_lock)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *low, *waiter;
	struct tpe_op *again, *lock, *other, *unlock;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_lock_nested(owner, 1, 1);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(12));
	px_unlock(owner, 1);
	again = px_lock_nested(owner, 1, 1);
	px_burn(owner, MS(3));
	px_unlock(owner, 1);
	px_burn(owner, MS(3));
	unlock = px_unlock(owner, 0);
	px_hog(px, 1, PX_FAIR(0), MS(500));

	low = px_actor(px, 1, PX_FAIR(19));
	px_wait(low, PX_HELD);
	other = px_lock(low, 1);
	px_unlock(low, 1);

	waiter = px_actor(px, 1, PX_FIFO(50));
	px_wait(waiter, PX_FLAG);
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(low, other, 5000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(0, other->ret);
	EXPECT_EQ(0, lock->ret);
	TH_LOG("locked again in %llu us",
	       (unsigned long long)(again->end - again->start) / 1000);
	if (px_counts(px))
		EXPECT_EQ(1, px_delta(px, "handoffs"));
	if (px_counts(px)) {
		EXPECT_LE(again->end - again->start, US(300));
		EXPECT_LE(lock->end - unlock->start, US(300));
	}
}

/* Nobody donates, so a lock is released as ever. */
TEST_F(handoff, no_donor)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter = px_actor(px, 2, PX_FAIR(0));
	struct tpe_op *lock;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_sleep(owner, MS(10));
	px_burn(owner, MS(1));
	px_unlock(owner, 0);
	px_wait(waiter, PX_HELD);
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_EQ(0, lock->ret);
	/* A kernel thread that preempts the owner makes the waiter pay. */
	if (px_counts(px))
		EXPECT_EQ(0, px_delta(px, "handoffs"));
}

/* --- the next owner inherits -------------------------------------------- */

/*
 * First in line is a nice 19 task, second one that is urgent. Both are parked
 * on the owner, which sleeps. The first one gets the lock and hogs come to its
 * CPU: the urgent one has to find the next owner there, and make it run.
 */
static void inherit(struct __test_metadata *_metadata, struct px *px,
		    struct px_attr attr, unsigned int bound)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *first = px_actor(px, 2, PX_FAIR(19));
	struct px_actor *second = px_actor(px, 3, attr);
	struct tpe_op *lock[2], *section;
	unsigned int ratio, i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_FLAG);
	px_burn_until(owner, PX_FLAG + 2, MS(3000));
	px_unlock(owner, 0);

	px_wait(first, PX_FLAG);
	lock[0] = px_lock(first, 0);
	px_set(first, PX_HELD);
	section = px_burn(first, MS(30));
	px_unlock(first, 0);

	px_wait(second, PX_FLAG + 1);
	lock[1] = px_lock(second, 0);
	px_unlock(second, 0);
	px_set(second, PX_STOP);

	/* Against optimistic spinning; then the hogs, on the first one's CPU */
	for (i = 0; i < 2; i++) {
		struct px_actor *a = px_actor(px, 2 + i, PX_FIFO(60));

		px_wait(a, PX_FLAG + i);
		px_sleep(a, MS(2));
		px_burn(a, US(100));
		px_op(a, TPE_LOOP, 1, 4);
	}
	px_hog(px, 2, PX_FAIR(0), MS(900));
	px_hog(px, 2, PX_FAIR(0), MS(900));

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(first, lock[0], 3000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	ASSERT_EQ(0, px_wait_blocked(second, lock[1], 3000));
	px_sleep_ms(20);
	ASSERT_EQ('D', px_state(first->pid));
	ASSERT_EQ('D', px_state(second->pid));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 2));
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, lock[0]->ret);
	EXPECT_EQ(0, lock[1]->ret);
	EXPECT_EQ(2, lock[0]->cpu);
	EXPECT_EQ(3, lock[1]->cpu);
	/*
	 * If something else wants the owner's CPU, a kworker say, the urgent one
	 * comes to help. It has paid then, and is handed the lock, first in line
	 * or not. If the first one is slow to take it, it can also steal it.
	 * Nobody has anything to inherit.
	 */
	if (px->on && lock[1]->end < lock[0]->end) {
		TH_LOG("overtaken, %lld handed over", px_delta(px, "handoffs"));
		return;
	}
	if (px_timing())
		EXPECT_LT(lock[0]->end, lock[1]->end);
	ratio = (lock[1]->end - section->start) * 100 / MS(30);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px_counts(px)) {
		EXPECT_GE(px_delta(px, "parked_running"), 2);
		EXPECT_GT(px_delta(px, "reparked"), 0);
		EXPECT_GT(px_delta(px, "migrated"), 0);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(bound));
	if (!px->on)
		EXPECT_GE(ratio, 1000);
}

TEST_F(handoff, inherit_fifo)
{
	inherit(_metadata, self->px, PX_FIFO(50), 120);
}

TEST_F(handoff, inherit_fair)
{
	inherit(_metadata, self->px, PX_FAIR(-20), 200);
}

/*
 * As above, but the first one is behind the hogs when the lock becomes free.
 * Either it is made to run at once, or the urgent one takes the lock itself.
 */
TEST_F(handoff, first_in_line_is_behind_hogs)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *first = px_actor(px, 2, PX_FAIR(19));
	struct px_actor *second = px_actor(px, 3, PX_FIFO(50));
	struct tpe_op *unlock, *lock[2];
	uint64_t late;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_FLAG + 2);
	px_burn(owner, MS(1));
	unlock = px_unlock(owner, 0);

	px_wait(first, PX_HELD);
	px_wait(first, PX_FLAG);
	lock[0] = px_lock(first, 0);
	px_burn(first, MS(10));
	px_unlock(first, 0);

	px_wait(second, PX_FLAG + 1);
	lock[1] = px_lock(second, 0);
	px_unlock(second, 0);
	px_set(second, PX_STOP);

	ASSERT_EQ(0, px_go(px));
	px_sleep_ms(2);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_wait_blocked(first, lock[0], 3000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	ASSERT_EQ(0, px_wait_blocked(second, lock[1], 3000));

	/* The flag they wait for is set already. */
	px_hog(px, 2, PX_FAIR(0), MS(900));
	px_hog(px, 2, PX_FAIR(0), MS(900));
	ASSERT_EQ(0, px_start(px));
	px_sleep_ms(20);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 2));
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, lock[0]->ret);
	EXPECT_EQ(0, lock[1]->ret);
	EXPECT_EQ(2, lock[0]->cpu);
	EXPECT_EQ(3, lock[1]->cpu);
	late = lock[1]->end - unlock->start;
	TH_LOG("%s, lock %llu us after unlock",
	       lock[1]->end < lock[0]->end ? "overtakes" : "keeps its place",
	       (unsigned long long)late / 1000);
	if (px_counts(px)) {
		/* Each flag that is set wakes the owner, to look for its own. */
		EXPECT_GE(px_delta(px, "parked_asleep") +
			  px_delta(px, "parked_running") +
			  px_delta(px, "parked_queued"), 2);
		EXPECT_LE(late, px_limit(MS(12)));
	}
}

/*
 * The writer that is woken to take a rwsem also holds a mutex. Nobody can help
 * it to the rwsem before it has it, and the most urgent of its waiters waits
 * for just that. Those that wait for the mutex can.
 */
TEST_F(handoff, others_are_not_held_up)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FIFO(60));
	struct px_actor *next = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *urgent = px_actor(px, 3, PX_FIFO(50));
	struct px_actor *other = px_actor(px, 2, PX_FIFO(40));
	struct px_actor *hog = px_actor(px, 1, PX_FIFO(30));
	struct tpe_op *up, *want, *down, *lock;
	uint64_t late;

	px_wait(owner, PX_GO);
	px_op(owner, TPE_DOWN_WRITE, 0, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_FLAG + 3);
	up = px_op(owner, TPE_UP, 0, 0);

	px_wait(next, PX_HELD);
	px_lock(next, 1);
	want = px_op(next, TPE_DOWN_WRITE, 0, 0);
	px_burn(next, MS(5));
	px_op(next, TPE_UP, 0, 0);
	px_unlock(next, 1);

	px_wait(urgent, PX_FLAG);
	down = px_op(urgent, TPE_DOWN_WRITE, 0, 0);
	px_op(urgent, TPE_UP, 0, 0);

	px_wait(other, PX_FLAG + 1);
	lock = px_lock(other, 1);
	px_unlock(other, 1);
	px_set(other, PX_STOP);

	px_wait(hog, PX_FLAG + 2);
	px_burn_until(hog, PX_STOP, MS(500));

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(next, want, 3000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_wait_blocked(urgent, down, 3000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	ASSERT_EQ(0, px_wait_blocked(other, lock, 3000));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 2));
	px_sleep_ms(5);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 3));
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(0, down->ret);
	late = lock->end - up->start;
	TH_LOG("lock %llu us after up_write()", (unsigned long long)late / 1000);
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(late, px_limit(MS(12)));
	if (!px->on)
		EXPECT_GE(late, MS(300));
}

/*
 * Many in line, on all CPUs, behind hogs: each hand-off finds the right one,
 * nobody is forgotten.
 */
TEST_F(handoff, long_line)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct tpe_op *lock[40];
	uint64_t end = 0;
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(40));
	px_unlock(owner, 0);
	px_burn_until(owner, PX_STOP, MS(200));
	for (i = 1; i < 4; i++)
		px_hog(px, i, PX_FAIR(0), MS(600));
	for (i = 0; i < 40; i++) {
		struct px_actor *a = px_actor(px, 1 + i % 3,
					      PX_FAIR(19 - i * 39 / 40));

		px_wait(a, PX_HELD);
		px_sleep(a, MS(5) + US(300) * i);
		lock[i] = px_lock(a, 0);
		px_burn(a, US(500));
		px_unlock(a, 0);
	}
	/* Last, and so urgent that it wants all others to hurry up */
	{
		struct px_actor *a = px_actor(px, 3, PX_FIFO(50));

		px_wait(a, PX_HELD);
		px_sleep(a, MS(25));
		lock[0]->watch = owner->slot;
		px_lock(a, 0);
		px_unlock(a, 0);
		px_set(a, PX_STOP);
	}
	ASSERT_EQ(0, px_run(px, 15000));
	for (i = 0; i < 40; i++) {
		EXPECT_EQ(0, lock[i]->ret);
		EXPECT_EQ(1 + i % 3, lock[i]->cpu);
		if (lock[i]->end > end)
			end = lock[i]->end;
	}
	TH_LOG("last lock %llu ms after the first came",
	       (unsigned long long)(end - lock[0]->start) / 1000000);
	if (px_counts(px))
		EXPECT_LE(end - lock[0]->start, MS(300));
}

/* --- killed donors (H18) ------------------------------------------------ */

/* The one it runs for is killed while the owner is about to hand over. */
TEST_F(handoff, donor_killed)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *fair = px_actor(px, 2, PX_FAIR(0));
	struct tpe_op *lock[40], *last, *loop;
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(1));
	px_unlock(owner, 0);
	px_burn(owner, US(100));
	loop = px_op(owner, TPE_LOOP, 1, 80);
	px_hog(px, 1, PX_FAIR(0), MS(900));

	px_wait(fair, PX_HELD);
	last = px_lock(fair, 0);
	px_unlock(fair, 0);
	px_op(fair, TPE_LOOP, 1, 80);

	for (i = 0; i < 40; i++) {
		struct px_actor *a = px_actor(px, 1 + i % 2, PX_FIFO(10 + i));

		px_wait(a, PX_HELD);
		px_sleep(a, MS(2) + US(1700) * i);
		lock[i] = px_lock(a, 0);
		lock[i]->mode = TPE_KILLABLE;
		px_unlock(a, 0);
	}
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 40; i++) {
		struct px_actor *a = &px->actor[3 + i];

		while (!a->done && !lock[i]->runs &&
		       px_wait_blocked(a, lock[i], 20) == -ETIMEDOUT)
			;
		if (a->pid > 0)
			kill(a->pid, SIGKILL);
	}
	while (!owner->done)
		px_sleep_ms(5);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 15000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(81, loop->runs);
	EXPECT_EQ(0, last->ret);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
