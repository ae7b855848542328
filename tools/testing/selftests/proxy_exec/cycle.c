// SPDX-License-Identifier: GPL-2.0
/*
 * Lock cycles: a deadlock of a few tasks must stay what it is without proxy
 * execution, some tasks that wait for ever, and not stop the machine (H27).
 * Here one task of the cycle waits killably and is killed in the end.
 */
#include <errno.h>
#include <signal.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define REPORT	"sched/proxy: lock cycle:"

FIXTURE(cycle)
{
	struct px *px;
};

FIXTURE_SETUP(cycle)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(cycle)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/*
 * Member i holds mutex i and wants the next one. It burns CPU until all hold
 * theirs, so that the cycle is closed by tasks that are all runnable: one that
 * sleeps is not on a runqueue, and the walk would end there.
 */
static struct tpe_op *add_member(struct px *px, int i, int members, int cpu,
				 struct px_attr attr)
{
	struct px_actor *a = px_actor(px, cpu, attr);
	struct tpe_op *op;
	int next = (i + 1) % members;

	px_wait(a, PX_GO);
	px_lock(a, i);
	px_set(a, PX_FLAG + i);
	/* The predecessor held its own before it said so. */
	px_burn_until(a, PX_FLAG + next, MS(5000));
	op = px_lock_nested(a, next, 1);
	op->mode = TPE_KILLABLE;
	px_unlock(a, next);
	px_unlock(a, i);
	return op;
}

/* Joins after the cycle is closed: holds mutex own and waits for mutex nr. */
static struct tpe_op *add_tail(struct px *px, int own, int nr,
			       struct px_attr attr)
{
	struct px_actor *a = px_actor(px, 1, attr);
	struct tpe_op *op;

	px_wait(a, nr ? PX_FLAG + nr : PX_HELD);
	px_lock(a, own);
	px_set(a, PX_FLAG + own);
	op = px_lock_nested(a, nr, 1);
	px_unlock(a, nr);
	px_unlock(a, own);
	return op;
}

/* Needs the CPU of the cycle to live on. */
static struct tpe_op *add_bystander(struct px *px, struct px_attr attr)
{
	struct px_actor *a = px_actor(px, 1, attr);

	px_wait(a, PX_STOP);
	px_sleep(a, MS(2));
	px_burn(a, MS(20));
	return px_op(a, TPE_STAMP, 0, 0);
}

static int wait_all_blocked(struct px *px, struct tpe_op **op, int nr)
{
	int i, ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = px_wait_blocked(&px->actor[i], op[i], 3000);
	return ret;
}

static int wait_done(struct tpe_op *op, struct px_actor *a, int ms)
{
	uint64_t end = px_now() + MS(ms);

	while (!a->done) {
		if (px_now() > end)
			return -ETIMEDOUT;
		px_sleep_ms(1);
	}
	return op->runs ? 0 : -EIO;
}

/*
 * Run a ring of @members plus @tails waiters behind it, look that the CPU is
 * alive, break the ring by a SIGKILL and see everybody else finish.
 */
static void ring(struct __test_metadata *_metadata, struct px *px, int members,
		 int tails, struct px_attr attr)
{
	struct tpe_op *op[16], *alive;
	struct px_actor *bystander;
	int i, all = members + tails;

	for (i = 0; i < members; i++)
		op[i] = add_member(px, i, members, 1, attr);
	/* rho: each tail waits for the one before, the first for the ring */
	for (; i < all; i++)
		op[i] = add_tail(px, i, i == members ? 0 : i - 1,
				 i == all - 1 ? PX_FIFO(50) : attr);
	alive = add_bystander(px, PX_FAIR(0));
	bystander = &px->actor[all];

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, wait_all_blocked(px, op, members));
	ASSERT_EQ(0, px_set_flag(px, PX_HELD));
	ASSERT_EQ(0, wait_all_blocked(px, op, all));

	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	ASSERT_EQ(0, wait_done(alive, bystander, 3000))
		TH_LOG("the CPU of the cycle is dead");
	if (px->on) {
		EXPECT_GT(px_delta(px, "degraded_cycle"), 0);
		/* Rate limited: the first cycle of all must be reported. */
		if (px_delta(px, "degraded_cycle") == px_stat("degraded_cycle"))
			EXPECT_TRUE(px_logged(px, REPORT));
	}

	ASSERT_EQ(0, kill(px->actor[0].pid, SIGKILL));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(-EINTR, op[0]->ret);
	for (i = 1; i < all; i++) {
		EXPECT_EQ(0, px->actor[i].ret);
		EXPECT_EQ(1, op[i]->runs);
	}
}

TEST_F(cycle, two_fair)
{
	ring(_metadata, self->px, 2, 0, PX_FAIR(0));
}

TEST_F(cycle, two_and_a_waiter)
{
	ring(_metadata, self->px, 2, 1, PX_FAIR(0));
}

TEST_F(cycle, two_rr)
{
	ring(_metadata, self->px, 2, 1, PX_RR(20));
}

TEST_F(cycle, three)
{
	ring(_metadata, self->px, 3, 0, PX_FAIR(0));
}

TEST_F(cycle, rho)
{
	ring(_metadata, self->px, 3, 4, PX_FAIR(0));
}

/*
 * Both stay on the runqueue: each is better than the other when it blocks, and
 * so a walk goes round.
 */
TEST_F(cycle, each_better)
{
	struct px *px = self->px;
	struct px_actor *member[2];
	struct tpe_op *op[2];
	uint64_t end;
	int i;

	for (i = 0; i < 2; i++) {
		member[i] = px_actor(px, 1, i ? PX_FAIR(0) : PX_FIFO(40));
		px_wait(member[i], PX_GO);
		px_lock(member[i], i);
		px_set(member[i], PX_FLAG + i);
		px_wait(member[i], i ? PX_HELD : PX_FLAG + 1);
		op[i] = px_lock_nested(member[i], !i, 1);
		op[i]->mode = TPE_KILLABLE;
		px_unlock(member[i], !i);
		px_unlock(member[i], i);
	}

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(member[0], op[0], 3000));
	ASSERT_EQ(0, px_set_attr(member[1]->pid, PX_FIFO(50)));
	ASSERT_EQ(0, px_set_flag(px, PX_HELD));
	ASSERT_EQ(0, px_wait_blocked(member[1], op[1], 3000));
	/* Blocked, and about to be picked */
	end = px_now() + px_patient(1000);
	while (px->on && !px_delta(px, "degraded_cycle") && px_now() < end)
		px_sleep_ms(1);
	if (px->on)
		EXPECT_GT(px_delta(px, "degraded_cycle"), 0);
	ASSERT_EQ(0, kill(member[1]->pid, SIGKILL));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(-EINTR, op[1]->ret);
	EXPECT_EQ(0, member[0]->ret);
}

/* The halves of the cycle on two CPUs. */
TEST_F(cycle, two_cpus)
{
	struct px *px = self->px;
	struct tpe_op *op[2];

	op[0] = add_member(px, 0, 2, 0, PX_FAIR(0));
	op[1] = add_member(px, 1, 2, 1, PX_FAIR(0));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, wait_all_blocked(px, op, 2));
	/* Both are parked, on each other: no walk gets to see them. */
	if (px->on && px_timing())
		EXPECT_GT(px_delta(px, "degraded_cycle"), 0);
	ASSERT_EQ(0, kill(px->actor[1].pid, SIGKILL));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(-EINTR, op[1]->ret);
	EXPECT_EQ(0, px->actor[0].ret);
}

/*
 * A cycle of one. A task that waits for itself must sleep: were it taken for
 * one whose lock is free, it would try again for ever, at its priority (H12).
 */
static void self_lock(struct __test_metadata *_metadata, struct px *px,
		      uint32_t code, uint32_t unlock)
{
	struct px_actor *a = px_actor(px, 1, PX_FIFO(50));
	struct px_actor *kick = px_actor(px, 1, PX_FIFO(60));
	struct tpe_op *op, *alive;
	long long exec;

	px_wait(a, PX_GO);
	px_op(a, code, 0, 0);
	op = px_op(a, code, 0, 0);
	op->subclass = 1;
	op->mode = TPE_KILLABLE;
	px_op(a, unlock, 0, 0);
	/* Before it sleeps, it spins on the owner until it is preempted. */
	px_wait(kick, PX_GO);
	px_sleep(kick, MS(2));
	px_op(kick, TPE_LOOP, 1, 10);
	/* Never runs while @a does, not by the fair server either. */
	alive = add_bystander(px, PX_FIFO(1));

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(a, op, 3000));
	ASSERT_EQ(0, wait_done(&kick->op[2], kick, 3000));
	exec = px_sched(a->pid, "se.sum_exec_runtime");
	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	EXPECT_EQ(0, wait_done(alive, &px->actor[2], 1000))
		TH_LOG("the CPU is dead to all below the task");
	EXPECT_EQ(exec, px_sched(a->pid, "se.sum_exec_runtime"));
	if (px->on)
		EXPECT_GT(px_delta(px, "degraded_cycle"), 0);

	EXPECT_TRUE(px_blocked(a, op));
	ASSERT_EQ(0, kill(a->pid, SIGKILL));
	ASSERT_EQ(0, px_join(px, 5000));
	/* A mutex is granted to its first waiter when that is its owner. */
	EXPECT_EQ(code == TPE_MUTEX_LOCK ? -EALREADY : -EINTR, op->ret);
}

TEST_F(cycle, self)
{
	self_lock(_metadata, self->px, TPE_MUTEX_LOCK, TPE_MUTEX_UNLOCK);
}

TEST_F(cycle, self_rwsem)
{
	self_lock(_metadata, self->px, TPE_DOWN_WRITE, TPE_UP);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
