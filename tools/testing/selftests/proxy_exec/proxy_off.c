// SPDX-License-Identifier: GPL-2.0
/*
 * Off is off [I7]: with sched_proxy_exec=0 or CONFIG_SCHED_PROXY_EXEC=n the
 * inversions are those of the kernel without the feature, and no counter
 * moves. The control of all the other programs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(proxy_off)
{
	struct px *px;
};

FIXTURE_SETUP(proxy_off)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(proxy_off)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* Every counter is 0, if there are counters. */
static int count_nonzero(void)
{
	char name[64];
	long long value;
	int nonzero = 0;
	FILE *file;

	file = fopen("/sys/kernel/debug/sched/proxy_exec/stats", "r");
	if (!file)
		return 0;
	while (fscanf(file, "%63s %lld", name, &value) == 2) {
		if (value)
			nonzero++;
	}
	fclose(file);
	return nonzero;
}

/* Mutexes are rt_mutexes, which cure what is not between fair tasks. */
static bool is_preempt_rt(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.version, "PREEMPT_RT");
}

static void uncured(struct __test_metadata *_metadata, struct px *px,
		    struct px_inversion inv)
{
	ASSERT_EQ(0, px_invert(px, &inv));
	TH_LOG("latency %llu us, section left %llu us, ratio %u.%02u",
	       (unsigned long long)inv.latency / 1000,
	       (unsigned long long)inv.remaining / 1000,
	       inv.ratio / 100, inv.ratio % 100);
	if (px_timing())
		EXPECT_GE(inv.ratio, 1500);
	EXPECT_EQ(0, count_nonzero());
}

TEST_F(proxy_off, fair_is_not_cured)
{
	uncured(_metadata, self->px, (struct px_inversion){
		.owner = PX_FAIR(19), .donor = PX_FAIR(0), .hog = PX_FAIR(0),
		.hogs = 2, .section = MS(20), .hog_max = MS(500),
	});
}

TEST_F(proxy_off, fifo_is_not_cured)
{
	if (is_preempt_rt())
		SKIP(return, "PREEMPT_RT: mutexes have priority inheritance");
	uncured(_metadata, self->px, (struct px_inversion){
		.owner = PX_FAIR(19), .donor = PX_FIFO(50), .hog = PX_FIFO(40),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	});
}

TEST_F(proxy_off, deadline_is_not_cured)
{
	if (is_preempt_rt())
		SKIP(return, "PREEMPT_RT: mutexes have priority inheritance");
	ASSERT_EQ(0, px_dl_begin(self->px));
	uncured(_metadata, self->px, (struct px_inversion){
		.owner = PX_FAIR(19), .donor = PX_DL(MS(60), MS(100)),
		.hog = PX_FIFO(90), .hogs = 1, .section = MS(20),
		.hog_max = MS(500),
	});
}

/* A blocked task leaves the runqueue: its vruntime stands still. */
TEST_F(proxy_off, waiter_is_dequeued)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *waiter = px_actor(px, 1, PX_FAIR(0));
	struct tpe_op *lock;
	long long before;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(60));
	px_unlock(owner, 0);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	before = px_sched(waiter->pid, "se.vruntime");
	px_sleep_ms(20);
	EXPECT_EQ(before, px_sched(waiter->pid, "se.vruntime"));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, lock->ret);
	EXPECT_EQ(0, count_nonzero());
}

/*
 * What was switched off by the boot line stays off. Of what was not built in,
 * nothing shows, there is no switch.
 */
TEST_F(proxy_off, cannot_be_turned_on)
{
	const char *enabled = "/sys/kernel/debug/sched/proxy_exec/enabled";

	/* Not there because not built in, or because there is no such file? */
	ASSERT_LT(0, px_sched(getpid(), "se.sum_exec_runtime"));
	if (px_sched(getpid(), "proxy.nr_donated") < 0) {
		EXPECT_EQ(-1, px_sched(getpid(), "proxy.nr_helped"));
		EXPECT_EQ(-ENOENT, px_write(enabled, "1"));
		return;
	}
	EXPECT_EQ(-EOPNOTSUPP, px_write(enabled, "1"));
	EXPECT_FALSE(px_enabled());
	EXPECT_TRUE(px_logged(self->px, "booted with sched_proxy_exec=0"));
	EXPECT_EQ(0, px_write(enabled, "0"));
}

int main(int argc, char **argv)
{
	px_require(false);
	if (px_enabled()) {
		printf("TAP version 13\n1..0 # SKIP proxy execution is on\n");
		return KSFT_SKIP;
	}
	return test_harness_run(argc, argv);
}
