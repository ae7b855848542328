// SPDX-License-Identifier: GPL-2.0
/*
 * What takes a kernel, a boot line or a machine of its own, hence not one of
 * the programs that are always run:
 *
 *   nohz   CONFIG_NO_HZ_FULL and nohz_full=3
 *   core   CONFIG_SCHED_CORE and CPUs with two threads
 */
#include <errno.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

/* --- the tick of a CPU that wants none (H48) ----------------------------- */

FIXTURE(nohz)
{
	struct px *px;
	int cpu;
};

FIXTURE_SETUP(nohz)
{
	char buf[64] = "";

	px_read("/sys/devices/system/cpu/nohz_full", buf, sizeof(buf));
	self->cpu = atoi(buf);
	if (self->cpu <= 0)
		SKIP(return, "no CPU with nohz_full");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(nohz)
{
	EXPECT_EQ(NULL, px_splat(self->px)) TH_LOG("%s", self->px->log);
	EXPECT_EQ(0, px_close(self->px));
}

/* Local timer interrupts of @cpu so far */
static long ticks(int cpu)
{
	static char buf[32768];
	char *line;
	long n = -1;
	int i;

	if (px_read("/proc/interrupts", buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, "LOC:");
	if (!line)
		return -1;
	line += 4;
	for (i = 0; i <= cpu; i++)
		n = strtol(line, &line, 10);
	return n;
}

/*
 * A fair task runs for a FIFO task, and nobody else is there. The donor is the
 * only one of its class and has no slice, but it is the owner that runs.
 */
TEST_F_TIMEOUT(nohz, fair_owner_of_fifo_donor, 60)
{
	struct px *px = self->px;
	struct px_actor *owner, *donor;
	struct tpe_op *lock;
	long before, after;

	owner = px_actor(px, self->cpu, PX_FAIR(0));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn_until(owner, PX_STOP, MS(20000));
	px_unlock(owner, 0);
	donor = px_actor(px, self->cpu, PX_FIFO(50));
	px_wait(donor, PX_HELD);
	lock = px_lock(donor, 0);
	px_unlock(donor, 0);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(donor, lock, 3000));
	px_sleep_ms(200);
	before = ticks(self->cpu);
	ASSERT_GE(before, 0);
	/* The remote tick complains after three seconds. */
	px_sleep_ms(4500);
	after = ticks(self->cpu);
	TH_LOG("%ld ticks, %lld donations", after - before,
	       px_delta(px, "donations"));
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 10000));
	if (px->on) {
		EXPECT_GT(px_delta(px, "donations"), 0);
		EXPECT_GE(after - before, 400);
	}
}

/* --- core scheduling (H46) ----------------------------------------------- */

FIXTURE(core)
{
	struct px *px;
};

FIXTURE_SETUP(core)
{
	char buf[16] = "";

	px_read("/sys/devices/system/cpu/smt/active", buf, sizeof(buf));
	if (buf[0] != '1')
		SKIP(return, "no CPU has a second thread");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(core)
{
	EXPECT_EQ(NULL, px_splat(self->px)) TH_LOG("%s", self->px->log);
	EXPECT_EQ(0, px_close(self->px));
}

static int set_cookie(pid_t pid)
{
	return prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, pid,
		     PR_SCHED_CORE_SCOPE_THREAD, 0) ? -errno : 0;
}

/*
 * Owner and waiters with cookies that differ, while cookies are in use: nobody
 * runs for another. Nor do waiters that were kept before the first cookie was
 * given out.
 */
TEST_F_TIMEOUT(core, cookies_end_it, 60)
{
	struct px *px = self->px;
	struct px_actor *owner, *waiter[4];
	long long donations;
	struct tpe_op *lock[4];
	int i, ret;

	owner = px_actor(px, 1, PX_FAIR(19));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(40));
	px_unlock(owner, 0);
	for (i = 0; i < 4; i++) {
		waiter[i] = px_actor(px, 1 + i % 2, i < 2 ? PX_FAIR(-10) :
							    PX_FIFO(50));
		px_wait(waiter[i], i % 2 ? PX_HELD : PX_FLAG);
		lock[i] = px_lock(waiter[i], 0);
		px_burn(waiter[i], US(200));
		px_unlock(waiter[i], 0);
	}
	px_hog(px, 1, PX_FAIR(0), MS(400));
	px_hog(px, 1, PX_FAIR(0), MS(400));
	px_hog(px, 3, PX_FAIR(0), MS(400));
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter[1], lock[1], 3000));
	ASSERT_EQ(0, px_wait_blocked(waiter[3], lock[3], 3000));

	ret = set_cookie(owner->pid);
	if (ret)
		TH_LOG("PR_SCHED_CORE: %s", strerror(-ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, set_cookie(waiter[0]->pid));
	px_sleep_ms(5);
	donations = px_delta(px, "donations");
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 20000));
	EXPECT_EQ(donations, px_delta(px, "donations"));
	if (px->on)
		EXPECT_GT(px_delta(px, "degraded_core"), 0);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, lock[i]->ret);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
