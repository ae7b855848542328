// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds of locks and kinds of owners: ww_mutex with its back-off (H4, H5),
 * rwsem, and owners that cannot be helped yet, which must end in ordinary
 * blocking [I9].
 */
#include <errno.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(locks)
{
	struct px *px;
};

FIXTURE_SETUP(locks)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(locks)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* --- ww_mutex ----------------------------------------------------------- */

#define WW_LOCKS	4
#define WW_ROUNDS	40

/* Takes four locks in its own order, round after round. */
static struct tpe_op *add_ww(struct px *px, int cpu, struct px_attr attr,
			     int base, int i)
{
	struct px_actor *a = px_actor(px, cpu, attr);
	struct tpe_op *op;
	int k, start = i % WW_LOCKS, step = i & 4 ? WW_LOCKS - 1 : 1;

	px_wait(a, PX_GO);
	for (k = 0; k < WW_LOCKS; k++) {
		/* a back-off begins again at operation 1 */
		op = px_op(a, TPE_WW_LOCK,
			   base + (start + k * step) % WW_LOCKS, 1);
		op->mode = i & 1 ? TPE_INTERRUPTIBLE : TPE_UNINTERRUPTIBLE;
		/* long enough to be preempted with some of the locks */
		px_burn(a, US(150));
	}
	px_op(a, TPE_WW_FINI, 0, 0);
	px_burn(a, US(100));
	return px_op(a, TPE_LOOP, 1, WW_ROUNDS);
}

static void ww(struct __test_metadata *_metadata, struct px *px, int base,
	       int cpus)
{
	static const struct px_attr attr[] = {
		PX_FAIR(19), PX_FAIR(0), PX_FAIR(-10), PX_IDLE, PX_RR(10),
		PX_RR(10), PX_FIFO(10), PX_FIFO(20),
	};
	struct tpe_op *loop[8];
	unsigned long backoffs = 0;
	int i, k;

	for (i = 0; i < 8; i++)
		loop[i] = add_ww(px, cpus ? i % cpus : 1, attr[i], base, i);
	ASSERT_EQ(0, px_run(px, 20000));
	for (i = 0; i < 8; i++) {
		struct px_actor *a = &px->actor[i];

		EXPECT_EQ(0, a->ret);
		EXPECT_EQ(WW_ROUNDS + 1, loop[i]->runs);
		backoffs += a->op[1].runs - loop[i]->runs;
		/* nobody ran off its CPU [I2] */
		for (k = 0; k < (int)a->nr; k++)
			EXPECT_EQ(a->cpu, a->op[k].cpu);
	}
	TH_LOG("%lu back-offs", backoffs);
	EXPECT_GT(backoffs, 0);
}

TEST_F(locks, ww_wait_die_one_cpu)
{
	ww(_metadata, self->px, 0, 0);
}

TEST_F(locks, ww_wound_wait_one_cpu)
{
	ww(_metadata, self->px, TPE_WW_CLASS, 0);
}

TEST_F(locks, ww_wait_die_all_cpus)
{
	ww(_metadata, self->px, 0, sysconf(_SC_NPROCESSORS_ONLN));
}

TEST_F(locks, ww_wound_wait_all_cpus)
{
	ww(_metadata, self->px, TPE_WW_CLASS, sysconf(_SC_NPROCESSORS_ONLN));
}

/*
 * A lone ww_mutex donates like any mutex: a wound cannot help, there is only
 * one lock.
 */
static void ww_inversion(struct __test_metadata *_metadata, struct px *px,
			 int nr)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *lock;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_op(owner, TPE_WW_LOCK, nr, 1);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(20));
	px_op(owner, TPE_WW_FINI, 0, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_op(donor, TPE_WW_LOCK, nr, 2);
	lock->watch = owner->slot;
	px_op(donor, TPE_WW_FINI, 0, 0);
	px_set(donor, PX_STOP);

	px_hog(px, 1, PX_FAIR(0), MS(500));
	px_hog(px, 1, PX_FAIR(0), MS(500));
	ASSERT_EQ(0, px_run(px, 8000));
	ratio = px_ratio(lock, MS(20), NULL);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	EXPECT_EQ(0, lock->ret);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "donations"), 0);
	if (px->on && px_timing())
		EXPECT_LE(ratio, px_limit(115));
}

TEST_F(locks, ww_wait_die_inversion)
{
	ww_inversion(_metadata, self->px, 0);
}

TEST_F(locks, ww_wound_wait_inversion)
{
	ww_inversion(_metadata, self->px, TPE_WW_CLASS);
}

/* --- rwsem -------------------------------------------------------------- */

static struct tpe_op *rwsem(struct __test_metadata *_metadata, struct px *px,
			    uint32_t owner_code, uint32_t donor_code,
			    uint32_t mode)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *lock;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_op(owner, owner_code, 0, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(20));
	px_op(owner, TPE_UP, 0, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_op(donor, donor_code, 0, 0);
	lock->mode = mode;
	lock->watch = owner->slot;
	px_op(donor, TPE_UP, 0, 0);
	px_set(donor, PX_STOP);

	px_hog(px, 1, PX_FAIR(0), MS(300));
	px_hog(px, 1, PX_FAIR(0), MS(300));
	if (px_run(px, 8000))
		return NULL;
	ratio = px_ratio(lock, MS(20), NULL);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	return lock;
}

static void rwsem_writer_owns(struct __test_metadata *_metadata,
			      struct px *px, uint32_t code, uint32_t mode)
{
	struct tpe_op *lock;

	lock = rwsem(_metadata, px, TPE_DOWN_WRITE, code, mode);
	ASSERT_NE(NULL, lock);
	EXPECT_EQ(0, lock->ret);
	if (!px_counts(px))
		return;
	EXPECT_GT(px_delta(px, "donations"), 0);
	EXPECT_LE(px_ratio(lock, MS(20), NULL), 115);
}

TEST_F(locks, rwsem_writer_behind_writer)
{
	rwsem_writer_owns(_metadata, self->px, TPE_DOWN_WRITE,
			  TPE_UNINTERRUPTIBLE);
}

TEST_F(locks, rwsem_reader_behind_writer)
{
	rwsem_writer_owns(_metadata, self->px, TPE_DOWN_READ,
			  TPE_UNINTERRUPTIBLE);
}

TEST_F(locks, rwsem_killable_behind_writer)
{
	rwsem_writer_owns(_metadata, self->px, TPE_DOWN_READ, TPE_KILLABLE);
}

/* Nobody knows all readers, so nobody can be helped. */
TEST_F(locks, rwsem_writer_behind_reader)
{
	struct px *px = self->px;
	struct tpe_op *lock;

	lock = rwsem(_metadata, px, TPE_DOWN_READ, TPE_DOWN_WRITE,
		     TPE_UNINTERRUPTIBLE);
	ASSERT_NE(NULL, lock);
	EXPECT_EQ(0, lock->ret);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "degraded_unknown"), 0);
}

/*
 * The lock goes to who is first in line, not to who has paid. The owner has had
 * what it needed and does not go on in that one's place (H1).
 */
TEST_F(locks, rwsem_owner_stops_with_unlock)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FIFO(1));
	struct px_actor *first = px_actor(px, 1, PX_FIFO(10));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *unlock, *after, *lock[2];

	px_wait(owner, PX_GO);
	px_op(owner, TPE_DOWN_WRITE, 0, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(15));
	unlock = px_op(owner, TPE_UP, 0, 0);
	after = px_burn(owner, MS(1));

	px_wait(first, PX_HELD);
	px_sleep(first, MS(2));
	lock[0] = px_op(first, TPE_DOWN_WRITE, 0, 0);
	px_op(first, TPE_UP, 0, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(6));
	lock[1] = px_op(donor, TPE_DOWN_WRITE, 0, 0);
	px_op(donor, TPE_UP, 0, 0);
	px_set(donor, PX_STOP);

	px_hog(px, 1, PX_FIFO(2), MS(300));
	ASSERT_EQ(0, px_run(px, 8000));
	EXPECT_EQ(0, lock[0]->ret);
	EXPECT_EQ(0, lock[1]->ret);
	TH_LOG("goes on %llu us after unlock",
	       (unsigned long long)(after->start - unlock->start) / 1000);
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "donations"), 0);
		EXPECT_GE(after->start, lock[1]->end);
	}
}

/* Who has got the lock sleeps like anybody else. */
static void rwsem_sleeps_after(struct __test_metadata *_metadata,
			       struct px *px, uint32_t code)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *nap;

	px_wait(owner, PX_GO);
	px_op(owner, TPE_DOWN_WRITE, 0, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(10));
	px_op(owner, TPE_UP, 0, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(2));
	px_op(donor, code, 0, 0);
	nap = px_sleep(donor, MS(10));
	px_op(donor, TPE_UP, 0, 0);
	px_sleep(donor, MS(10));

	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_GE(nap->end - nap->start, MS(10));
	EXPECT_EQ(0, px_delta(px, "degraded_cycle"));
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "donations"), 0);
		EXPECT_EQ(0, px_delta(px, "degraded_unknown"));
	}
}

TEST_F(locks, rwsem_writer_sleeps_after)
{
	rwsem_sleeps_after(_metadata, self->px, TPE_DOWN_WRITE);
}

TEST_F(locks, rwsem_reader_sleeps_after)
{
	rwsem_sleeps_after(_metadata, self->px, TPE_DOWN_READ);
}

/* Parked on an owner that releases the lock, they go on to the next. */
TEST_F(locks, rwsem_parked_go_on)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0)), *a;
	struct tpe_op *lock[3];
	int i;

	px_wait(owner, PX_GO);
	px_op(owner, TPE_DOWN_WRITE, 0, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_FLAG);
	px_op(owner, TPE_UP, 0, 0);
	for (i = 0; i < 3; i++) {
		a = px_actor(px, 1 + i, PX_FAIR(0));
		px_wait(a, PX_HELD);
		px_sleep(a, MS(2) * i);
		lock[i] = px_op(a, TPE_DOWN_WRITE, 0, 0);
		px_sleep(a, MS(2));
		px_op(a, TPE_UP, 0, 0);
	}
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, px_wait_blocked(&px->actor[1 + i], lock[i], 3000));
	px_sleep_ms(5);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 5000));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, lock[i]->ret);
	/* Two with the first, one with the second */
	if (px_counts(px)) {
		EXPECT_GE(px_delta(px, "parked_asleep"), 3);
		EXPECT_GE(px_delta(px, "reparked"), 3);
	}
}

/* --- owners that cannot be helped --------------------------------------- */

TEST_F(locks, owner_asleep)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *lock;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_sleep(owner, MS(30));
	px_burn(owner, MS(2));
	px_unlock(owner, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_lock(donor, 0);
	px_unlock(donor, 0);
	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_GE(lock->end - lock->start, MS(20));
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "parked_asleep"), 0);
}

/* The owner dozes off and wakes again while somebody waits for it. */
TEST_F(locks, owner_naps)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, US(300));
	px_sleep(owner, US(300));
	px_op(owner, TPE_LOOP, 3, 50);
	px_unlock(owner, 0);
	for (i = 0; i < 6; i++) {
		struct px_actor *a = px_actor(px, 1, i & 1 ? PX_FAIR(i) :
							     PX_FIFO(10 + i));

		px_wait(a, PX_HELD);
		px_sleep(a, MS(1 + i));
		px_lock(a, 0);
		px_unlock(a, 0);
		/* not after its end */
		px_burn(a, US(50));
		px_op(a, TPE_LOOP, 2, 10);
	}
	ASSERT_EQ(0, px_run(px, 10000));
	for (i = 0; i <= 6; i++)
		EXPECT_EQ(0, px->actor[i].ret);
}

/* The owner is runnable on another CPU, behind a hog. */
TEST_F(locks, owner_remote)
{
	struct px *px = self->px;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct px_actor *owner = px_actor(px, cpus > 2 ? 2 : 0, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, PX_FIFO(50));
	struct px_actor *hog = px_hog(px, owner->cpu, PX_FIFO(40), MS(60));
	struct tpe_op *lock;
	int i;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(10));
	px_unlock(owner, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_lock(donor, 0);
	px_unlock(donor, 0);
	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(0, hog->ret);
	for (i = 0; i < (int)donor->nr; i++)
		EXPECT_EQ(1, donor->op[i].cpu);
	for (i = 0; i < (int)owner->nr; i++)
		EXPECT_EQ(owner->cpu, owner->op[i].cpu);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "migrated"), 0);
}

/*
 * An owner that yields gives up the CPU, not the donor's rights: the section
 * of many yields must not take a period each (H42).
 */
static void owner_yields(struct __test_metadata *_metadata, struct px *px,
			 struct px_attr attr, unsigned int bound)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *donor = px_actor(px, 1, attr);
	struct tpe_op *lock;
	unsigned int ratio;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, US(200));
	px_op(owner, TPE_YIELD, 0, 0);
	px_op(owner, TPE_LOOP, 3, 99);
	px_unlock(owner, 0);

	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_lock(donor, 0);
	lock->watch = owner->slot;
	px_unlock(donor, 0);
	px_set(donor, PX_STOP);
	px_hog(px, 1, PX_FAIR(0), MS(500));

	ASSERT_EQ(0, px_run(px, 8000));
	EXPECT_EQ(0, lock->ret);
	ratio = px_ratio(lock, px_burned(owner), NULL);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px->on && px_timing())
		EXPECT_LE(ratio, px_limit(bound));
}

TEST_F(locks, owner_yields_fair_donor)
{
	owner_yields(_metadata, self->px, PX_FAIR(-10), 170);
}

TEST_F(locks, owner_yields_fifo_donor)
{
	owner_yields(_metadata, self->px, PX_FIFO(50), 150);
}

TEST_F(locks, owner_yields_deadline_donor)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	owner_yields(_metadata, self->px, PX_DL(MS(50), MS(100)), 150);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
