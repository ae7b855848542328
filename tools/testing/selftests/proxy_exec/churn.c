// SPDX-License-Identifier: GPL-2.0
/*
 * Scheduling attributes of donors and owners change while one runs on the time
 * of the others (H15, H16, H43): no splat, nobody hangs, nobody runs where it
 * must not [I2].
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define WAITERS		6
#define ROUNDS		300

FIXTURE(churn)
{
	struct px *px;
	struct px_actor *owner;
	struct px_actor *waiter[WAITERS];
	struct tpe_op *lock[WAITERS];
};

/*
 * One owner and some waiters of all classes on CPU 1, the least important
 * first: the owner runs as what the best of them is.
 */
FIXTURE_SETUP(churn)
{
	static const struct px_attr attr[WAITERS] = {
		PX_IDLE, PX_FAIR(10), PX_FAIR(0), PX_FAIR(-10), PX_FIFO(10),
		PX_RR(20),
	};
	struct px_actor *a;
	int i;

	self->px = px_open();
	ASSERT_NE(NULL, self->px);
	a = px_actor(self->px, 1, PX_FAIR(19));
	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_burn_until(a, PX_STOP, MS(20000));
	px_burn(a, MS(5));
	px_unlock(a, 0);
	self->owner = a;

	for (i = 0; i < WAITERS; i++) {
		a = px_actor(self->px, 1, attr[i]);
		px_wait(a, PX_FLAG + i);
		self->lock[i] = px_lock(a, 0);
		px_burn(a, US(200));
		px_unlock(a, 0);
		self->waiter[i] = a;
	}
	ASSERT_EQ(0, px_go(self->px));
	for (i = 0; i < WAITERS; i++) {
		px_set_flag(self->px, PX_FLAG + i);
		ASSERT_EQ(0, px_wait_blocked(self->waiter[i], self->lock[i],
					     5000));
	}
}

FIXTURE_TEARDOWN(churn)
{
	int i;

	px_set_flag(self->px, PX_STOP);
	EXPECT_EQ(0, px_join(self->px, 10000));
	EXPECT_EQ(0, self->owner->ret);
	for (i = 0; i < WAITERS; i++) {
		EXPECT_EQ(0, self->waiter[i]->ret);
		EXPECT_EQ(1, self->lock[i]->runs);
	}
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* The same sequence in every run. */
static unsigned int next_random(void)
{
	static unsigned int state = 1;

	state = state * 1103515245 + 12345;
	return state >> 16;
}

static unsigned long random_mask(void)
{
	unsigned long all = (1ul << sysconf(_SC_NPROCESSORS_ONLN)) - 1;
	unsigned long mask = next_random() & all & ~1ul;

	return mask ?: 2;
}

static struct px_attr random_attr(void)
{
	switch (next_random() % 5) {
	case 0:
		return PX_FIFO(1 + next_random() % 50);
	case 1:
		return PX_RR(1 + next_random() % 50);
	case 2:
		return PX_IDLE;
	case 3:
		return PX_BATCH((int)(next_random() % 40) - 20);
	default:
		return PX_FAIR((int)(next_random() % 40) - 20);
	}
}

static struct px_actor *random_of(struct px_actor **actor)
{
	return actor[next_random() % WAITERS];
}

TEST_F(churn, nothing)
{
	px_sleep_ms(20);
}

TEST_F(churn, nice)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct px_attr attr = PX_FAIR((int)(next_random() % 40) - 20);

		ASSERT_EQ(0, px_set_attr(self->waiter[2]->pid, attr));
		ASSERT_EQ(0, px_set_attr(self->waiter[3]->pid, attr));
	}
}

TEST_F(churn, policy_of_donors)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, px_set_attr(random_of(self->waiter)->pid,
					 random_attr()));
}

TEST_F(churn, policy_of_owner)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, px_set_attr(self->owner->pid, random_attr()));
}

TEST_F(churn, deadline_and_back)
{
	int i;

	ASSERT_EQ(0, px_dl_begin(self->px));
	for (i = 0; i < ROUNDS / 3; i++) {
		pid_t pid = (i & 1 ? self->owner : random_of(self->waiter))->pid;

		ASSERT_EQ(0, px_set_attr(pid, PX_DL(MS(1), MS(10))));
		px_sleep_ms(next_random() % 3);
		ASSERT_EQ(0, px_set_attr(pid, random_attr()));
	}
}

TEST_F(churn, affinity_of_donors)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, px_set_cpus(random_of(self->waiter)->pid,
					 random_mask()));
	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, px_set_cpus(self->waiter[i]->pid, 2));
	px_set_flag(self->px, PX_STOP);
	ASSERT_EQ(0, px_join(self->px, 10000));
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ(1, self->lock[i]->cpu);
}

TEST_F(churn, affinity_of_owner)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, px_set_cpus(self->owner->pid, random_mask()));
	ASSERT_EQ(0, px_set_cpus(self->owner->pid, 2));
}

/* Idle CPUs look for work, and find waiters that are not to be had (H59). */
TEST_F(churn, balance)
{
	int i;

	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, px_set_cpus(self->waiter[i]->pid, ~0ul));
	px_sleep_ms(300);
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ('D', px_state(self->waiter[i]->pid));
}

static int move(const char *group, pid_t pid)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", pid);
	return px_write(path, text);
}

static int make_groups(void)
{
	int ret = px_write(CGROUPS "/cgroup.subtree_control", "+cpu");

	if (ret)
		return ret;
	mkdir(CGROUPS "/px_a", 0755);
	mkdir(CGROUPS "/px_b", 0755);
	px_write(CGROUPS "/px_a/cpu.weight", "1000");
	return px_write(CGROUPS "/px_b/cpu.max", "50000 100000");
}

TEST_F(churn, cgroups)
{
	static const char * const group[] = { "", "/px_a", "/px_b" };
	int i;

	if (make_groups())
		SKIP(return, "no cgroup2 with a cpu controller");
	for (i = 0; i < ROUNDS; i++) {
		pid_t pid = (i & 3 ? random_of(self->waiter) : self->owner)->pid;

		EXPECT_EQ(0, move(group[next_random() % 3], pid));
	}
	for (i = 0; i < WAITERS; i++)
		move("", self->waiter[i]->pid);
	move("", self->owner->pid);
	px_set_flag(self->px, PX_STOP);
	EXPECT_EQ(0, px_join(self->px, 10000));
	rmdir(CGROUPS "/px_a");
	rmdir(CGROUPS "/px_b");
}

TEST_F(churn, everything)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct px_actor *a = i & 3 ? random_of(self->waiter) : self->owner;
		int ret;

		if (next_random() & 1)
			ret = px_set_cpus(a->pid, random_mask());
		else
			ret = px_set_attr(a->pid, random_attr());
		ASSERT_EQ(0, ret);
		if (!(i % 16))
			px_sleep_ms(1);
	}
	for (i = 0; i < WAITERS; i++)
		px_set_cpus(self->waiter[i]->pid, 2);
}

FIXTURE(push)
{
	struct px *px;
};

FIXTURE_SETUP(push)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(push)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/*
 * An owner that could be pushed, and found no CPU to go to, is among those that
 * wait to be pushed while it runs on a donor's time (H52).
 */
static void push(struct __test_metadata *_metadata, struct px *px,
		 struct px_attr owner_attr, struct px_attr low_attr,
		 struct px_attr hog_attr, struct px_attr donor_attr)
{
	struct px_actor *owner, *donor, *low, *hog;
	struct tpe_op *lock;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool blocked;

	if (cpus < 3)
		SKIP(return, "needs three CPUs");
	hog = px_actor(px, 2, hog_attr);
	px_wait(hog, PX_GO);
	px_burn_until(hog, PX_STOP, MS(2000));

	owner = px_actor(px, 1, owner_attr);
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn_until(owner, PX_FLAG + 1, MS(2000));
	px_unlock(owner, 0);

	donor = px_actor(px, 1, donor_attr);
	px_wait(donor, PX_FLAG);
	lock = px_lock(donor, 0);
	px_unlock(donor, 0);
	px_set(donor, PX_STOP);

	/* Wakes where the owner runs, and is less important. */
	low = px_actor(px, 1, low_attr);
	px_wait(low, PX_HELD);
	px_burn(low, US(10));
	px_sleep(low, MS(1));
	px_op(low, TPE_LOOP, 1, 20);

	ASSERT_EQ(0, px_go(px));
	px_sleep_ms(2);
	ASSERT_EQ(0, px_set_cpus(owner->pid, 6));
	ASSERT_EQ(0, px_set_cpus(low->pid, 6));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	/* If CPU 2 was free for a moment, the owner may have gone there. */
	blocked = !px_wait_blocked(donor, lock, 300);
	TH_LOG("donor %s", blocked ? "blocked" : "spins");
	px_sleep_ms(20);
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG + 1));
	ASSERT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(1, lock->cpu);
	if (px->on && blocked)
		EXPECT_GT(px_delta(px, "donations"), 0);
}

TEST_F(push, rt)
{
	push(_metadata, self->px, PX_FIFO(10), PX_FIFO(5), PX_FIFO(20),
	     PX_FIFO(50));
}

TEST_F(push, deadline)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	/* Long enough for nobody to be throttled, and CPU 2 to be free. */
	push(_metadata, self->px, PX_DL(MS(1900), MS(2000)),
	     PX_DL(MS(10), MS(4000)), PX_DL(MS(1000), MS(1000)),
	     PX_DL(MS(80), MS(100)));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
