// SPDX-License-Identifier: GPL-2.0
/*
 * The hung task detector says which lock a task waits for, and who owns it. A
 * program of its own, because of the report it leaves in the kernel log.
 */
#include <stdio.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define HUNG_TIMEOUT	"/proc/sys/kernel/hung_task_timeout_secs"

FIXTURE(hung)
{
	struct px *px;
	char timeout[16];
};

FIXTURE_SETUP(hung)
{
	if (px_read(HUNG_TIMEOUT, self->timeout, sizeof(self->timeout)) <= 0)
		SKIP(return, "no hung task detector");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

/* There is a report, so px_splat() has nothing to add. */
FIXTURE_TEARDOWN(hung)
{
	px_write(HUNG_TIMEOUT, self->timeout);
	EXPECT_EQ(0, px_close(self->px));
}

TEST_F(hung, names_the_owner)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter = px_actor(px, 2, PX_FAIR(0));
	int i;

	owner->name = "owner";
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_wait(owner, PX_STOP);
	px_unlock(owner, 0);
	/* A name that tells whoever reads the console that this is a test */
	waiter->name = "px_hung";
	px_wait(waiter, PX_HELD);
	px_lock(waiter, 0);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_GE(px_write(HUNG_TIMEOUT, "1"), 0);
	for (i = 0; i < 60 && !px_logged(px, "INFO: task px_hung:"); i++)
		px_sleep_ms(100);
	px_sleep_ms(50);
	EXPECT_TRUE(px_reported(px, "px_hung", waiter, "owner", owner));
	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	ASSERT_EQ(0, px_join(px, 5000));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
