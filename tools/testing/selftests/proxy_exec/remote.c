// SPDX-License-Identifier: GPL-2.0
/*
 * Waiters that leave their CPU for their owner, or their runqueue until the
 * owner needs them, and how they come back. scenes.c measures how much that
 * helps; this is about what else must hold.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define OWNER_CPU	1
#define WAITER_CPU	2

FIXTURE(remote)
{
	struct px *px;
};

FIXTURE_SETUP(remote)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(remote)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* Takes mutex 0 and computes, on a CPU with two hogs. */
static struct px_actor *add_owner(struct px *px, uint64_t section,
				  uint64_t hog_max)
{
	struct px_actor *a = px_actor(px, OWNER_CPU, PX_FAIR(19));

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_burn(a, section);
	px_unlock(a, 0);
	px_hog(px, OWNER_CPU, PX_FAIR(0), hog_max);
	px_hog(px, OWNER_CPU, PX_FAIR(0), hog_max);
	return a;
}

/* Takes mutex 0 and sleeps until it is told to go on. */
static struct px_actor *add_sleeper(struct px *px, uint32_t until, uint64_t burn)
{
	struct px_actor *a = px_actor(px, OWNER_CPU, PX_FAIR(19));

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	px_wait(a, until);
	px_burn(a, burn);
	px_unlock(a, 0);
	return a;
}

static struct px_actor *add_waiter(struct px *px, int cpu, struct px_attr attr,
				   uint64_t delay, struct tpe_op **lock)
{
	struct px_actor *a = px_actor(px, cpu, attr);

	px_wait(a, PX_HELD);
	px_sleep(a, delay);
	*lock = px_lock(a, 0);
	return a;
}

static long long uninterruptible(void)
{
	static char buf[256 * 1024];
	long long sum = 0;
	char *at = buf;

	if (px_read("/sys/kernel/debug/sched/debug", buf, sizeof(buf)) <= 0)
		return -1;
	while ((at = strstr(at, ".nr_uninterruptible"))) {
		at = strchr(at, ':');
		if (!at)
			break;
		sum += strtoll(at + 1, NULL, 10);
	}
	return sum;
}

/* --- away and back (H8, H11, H45) ---------------------------------------- */

static void away_and_back(struct __test_metadata *_metadata, struct px *px,
			  struct px_attr attr)
{
	struct px_actor *owner = add_owner(px, MS(20), MS(1000));
	long long migrations, preempted;
	struct px_actor *waiter;
	struct tpe_op *lock;
	int i;

	waiter = add_waiter(px, WAITER_CPU, attr, MS(10), &lock);
	px_set(waiter, PX_STOP);
	px_unlock(waiter, 0);
	px_wait(waiter, PX_FLAG);
	if (attr.policy == SCHED_DEADLINE)
		ASSERT_EQ(0, px_dl_begin(px));

	ASSERT_EQ(0, px_start(px));
	migrations = px_sched(waiter->pid, "se.nr_migrations");
	ASSERT_EQ(0, px_set_flag(px, PX_GO));
	ASSERT_EQ(0, px_wait_blocked(waiter, &waiter->op[waiter->nr - 1], 5000));
	preempted = px_sched(waiter->pid, "nr_involuntary_switches");

	/* What is only carried does not migrate, and is not preempted. */
	EXPECT_EQ(migrations, px_sched(waiter->pid, "se.nr_migrations"));
	if (px_timing())
		EXPECT_LE(preempted, 1);
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 8000));
	for (i = 0; i < (int)waiter->nr; i++)
		EXPECT_EQ(WAITER_CPU, waiter->op[i].cpu);
	for (i = 0; i < (int)owner->nr; i++)
		EXPECT_EQ(OWNER_CPU, owner->op[i].cpu);
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "migrated"), 0);
		EXPECT_GT(px_delta(px, "returned"), 0);
		EXPECT_GT(px_delta(px, "donations"), 0);
	}
}

TEST_F(remote, back_fair)
{
	away_and_back(_metadata, self->px, PX_FAIR(0));
}

TEST_F(remote, back_fifo)
{
	away_and_back(_metadata, self->px, PX_FIFO(50));
}

TEST_F(remote, back_deadline)
{
	away_and_back(_metadata, self->px, PX_DL(MS(90), MS(100)));
}

static void leave(struct __test_metadata *_metadata, struct px *px,
		  struct px_attr attr, uint32_t mode, int sig)
{
	struct px_actor *owner = add_owner(px, MS(300), MS(400));
	struct px_actor *waiter;
	struct tpe_op *lock;
	uint64_t sent, burned;

	waiter = add_waiter(px, WAITER_CPU, attr, MS(5), &lock);
	lock->mode = mode;
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(20);
	sent = px_now();
	ASSERT_EQ(0, kill(waiter->pid, sig));
	while (!lock->runs && px_now() < sent + px_patient(2000))
		px_sleep_ms(1);
	ASSERT_EQ(1, lock->runs);
	EXPECT_EQ(-EINTR, lock->ret);
	EXPECT_EQ(WAITER_CPU, lock->cpu);
	px_sleep_ms(10);
	burned = px_burned(owner);
	px_sleep_ms(100);
	burned = px_burned(owner) - burned;
	if (px_timing()) {
		EXPECT_LE(lock->end - sent, px_limit(MS(1)));
		/* The owner is on its own again. */
		EXPECT_LE(burned, MS(10));
	}
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 8000));
}

TEST_F(remote, kill_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_KILLABLE, SIGKILL);
}

TEST_F(remote, kill_fair)
{
	leave(_metadata, self->px, PX_FAIR(-20), TPE_KILLABLE, SIGKILL);
}

TEST_F(remote, interrupt_fifo)
{
	leave(_metadata, self->px, PX_FIFO(50), TPE_INTERRUPTIBLE, SIGUSR1);
}

/* --- parked -------------------------------------------------------------- */

/* A parked task is asleep for everybody (H49, H50). */
TEST_F(remote, parked_sleeps)
{
	struct px *px = self->px;
	struct px_actor *owner = add_sleeper(px, PX_FLAG, MS(1));
	struct px_actor *waiter;
	char path[64], wchan[128] = "";
	struct tpe_op *lock;
	uint64_t sent;

	waiter = add_waiter(px, WAITER_CPU, PX_FIFO(50), MS(5), &lock);
	lock->mode = TPE_KILLABLE;
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(10);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "parked_asleep"), 0);
	snprintf(path, sizeof(path), "/proc/%d/wchan", waiter->pid);
	px_read(path, wchan, sizeof(wchan));
	EXPECT_NE('\0', wchan[0]);
	EXPECT_NE('0', wchan[0]);
	EXPECT_EQ('D', px_state(waiter->pid));

	/* And is woken like one. */
	sent = px_now();
	ASSERT_EQ(0, kill(waiter->pid, SIGKILL));
	while (!lock->runs && px_now() < sent + px_patient(2000))
		px_sleep_ms(1);
	EXPECT_EQ(-EINTR, lock->ret);
	if (px_timing())
		EXPECT_LE(lock->end - sent, px_limit(MS(1)));
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, owner->ret);
}

/*
 * A tree of waiters: the root sleeps, four wait for it and hold a lock each,
 * for each of which eight wait. What wakes up in between takes its part of the
 * tree along (H28, H30); nothing stays behind in the counts (H32).
 */
static void tree(struct __test_metadata *_metadata, struct px *px, bool signal)
{
	long long before = uninterruptible();
	struct px_actor *middle[4], *leaf[32];
	struct tpe_op *want[4];
	int i;

	add_sleeper(px, PX_FLAG, MS(2));
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(600));
	for (i = 0; i < 4; i++) {
		middle[i] = px_actor(px, 1 + i % 3, PX_FAIR(10));
		px_lock(middle[i], 1 + i);
		px_wait(middle[i], PX_HELD);
		want[i] = px_lock_nested(middle[i], 0, 1);
		want[i]->mode = TPE_INTERRUPTIBLE;
		px_burn(middle[i], US(500));
		px_unlock(middle[i], 0);
		px_unlock(middle[i], 1 + i);
	}
	for (i = 0; i < 32; i++) {
		struct px_attr attr = i % 3 ? PX_FAIR(i % 7) : PX_FIFO(1 + i);

		leaf[i] = px_actor(px, 1 + i % 3, attr);
		px_wait(leaf[i], PX_HELD);
		px_sleep(leaf[i], MS(3) + US(50) * i);
		px_lock(leaf[i], 1 + i % 4);
		px_burn(leaf[i], US(50));
		px_unlock(leaf[i], 1 + i % 4);
	}
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, px_wait_blocked(middle[i], want[i], 3000));
	px_sleep_ms(30);
	if (px_counts(px)) {
		EXPECT_GT(px_delta(px, "parked_asleep"), 0);
		EXPECT_GT(px_delta(px, "parked_blocked"), 0);
	}
	if (signal) {
		ASSERT_EQ(0, kill(middle[2]->pid, SIGUSR1));
		for (i = 0; i < (px_timing() ? 5 : 5000) && !want[2]->runs; i++)
			px_sleep_ms(1);
		EXPECT_EQ(1, want[2]->runs);
	}
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 20000));
	for (i = 0; i < 32; i++)
		EXPECT_EQ(0, leaf[i]->ret);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(signal && i == 2 ? -EINTR : 0, middle[i]->ret);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "injected"), 0);
	EXPECT_EQ(before, uninterruptible());
}

TEST_F(remote, tree)
{
	tree(_metadata, self->px, false);
}

TEST_F(remote, tree_loses_a_branch)
{
	tree(_metadata, self->px, true);
}

/*
 * The first waiter gets the lock and is preempted. The second one, which was
 * parked on the former owner, has to be there.
 */
TEST_F(remote, next_owner_inherits)
{
	struct px *px = self->px;
	struct px_actor *first, *second;
	struct tpe_op *lock, *flag;
	uint64_t latency;
	int i;

	add_sleeper(px, PX_FLAG, US(100));

	/* Gets it, and three hogs to go with it. */
	first = px_actor(px, 3, PX_FAIR(19));
	px_wait(first, PX_HELD);
	px_lock(first, 0);
	flag = px_set(first, PX_FLAG + 1);
	px_burn(first, MS(10));
	px_unlock(first, 0);
	for (i = 0; i < 3; i++) {
		struct px_actor *hog = px_actor(px, 3, PX_FAIR(0));

		px_wait(hog, PX_FLAG + 1);
		px_burn_until(hog, PX_STOP, MS(600));
	}

	second = add_waiter(px, WAITER_CPU, PX_FIFO(50), MS(5), &lock);
	px_set(second, PX_STOP);
	px_unlock(second, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(second, lock, 3000));
	px_sleep_ms(5);
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 10000));
	latency = lock->end - flag->start;
	TH_LOG("%llu us after the first one got it",
	       (unsigned long long)latency / 1000);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "reparked"), 0);
	if (px_timing() && px->on)
		EXPECT_LE(latency, MS(13));
	if (px_timing() && !px->on)
		EXPECT_GE(latency, MS(100));
}

/*
 * Only the lock that the donor waits for is handed over (H19). The owner has
 * another one, too, with a waiter that does not pay.
 */
TEST_F(remote, unrelated_lock_is_not_handed_over)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, OWNER_CPU, PX_FAIR(19));
	struct px_actor *donor, *other;
	struct tpe_op *lock;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_lock_nested(owner, 1, 1);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(15));
	px_unlock(owner, 1);
	px_burn(owner, MS(5));
	px_set(owner, PX_FLAG);
	px_unlock(owner, 0);
	px_hog(px, OWNER_CPU, PX_FAIR(0), MS(600));

	donor = add_waiter(px, OWNER_CPU, PX_FIFO(50), MS(5), &lock);
	px_set(donor, PX_STOP);
	px_unlock(donor, 0);

	/* Less than the donor, so it is not what the owner runs for. */
	other = px_actor(px, OWNER_CPU, PX_FAIR(15));
	px_wait(other, PX_HELD);
	px_lock(other, 1);
	px_unlock(other, 1);
	ASSERT_EQ(0, px_run(px, 8000));
	EXPECT_EQ(0, other->ret);
	if (px_counts(px))
		EXPECT_EQ(1, px_delta(px, "handoffs"));
}

/* --- attributes (H15, H16) ----------------------------------------------- */

static int join_group(const char *group, pid_t pid)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", pid);
	return px_write(path, text);
}

/* Everything that can be changed, on a waiter that is away or parked. */
static void change(struct __test_metadata *_metadata, struct px *px,
		   struct px_actor *waiter)
{
	static const int nice[] = { -20, 19, 0 };
	bool groups;
	int i;

	groups = !px_write(CGROUPS "/cgroup.subtree_control", "+cpu") &&
		 (!mkdir(CGROUPS "/px_r", 0755) || errno == EEXIST);
	for (i = 0; i < 30; i++) {
		EXPECT_EQ(0, px_set_attr(waiter->pid, PX_FAIR(nice[i % 3])));
		if (i % 3 == 1)
			px_sleep_ms(2);
		EXPECT_EQ(0, px_set_attr(waiter->pid, PX_FIFO(1 + i)));
		if (i % 3 == 0)
			px_sleep_ms(2);
		EXPECT_EQ(0, px_set_attr(waiter->pid, PX_IDLE));
		if (groups)
			EXPECT_EQ(0, join_group("/px_r", waiter->pid));
		EXPECT_EQ(0, px_set_attr(waiter->pid, PX_RR(50)));
		if (i % 3 == 2)
			px_sleep_ms(2);
		if (groups)
			EXPECT_EQ(0, join_group("", waiter->pid));
		EXPECT_EQ('D', px_state(waiter->pid));
	}
	if (groups)
		rmdir(CGROUPS "/px_r");
	/* Wherever it is queued, it comes back to where it may run. */
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0, px_set_cpus(waiter->pid, 1ul << (1 + i % 3)));
		px_sleep_ms(1);
	}
	EXPECT_EQ(0, px_set_cpus(waiter->pid, 1ul << 3));
}

TEST_F(remote, change_parked)
{
	struct px *px = self->px;
	struct px_actor *waiter;
	struct tpe_op *lock;

	add_sleeper(px, PX_FLAG, MS(1));
	waiter = add_waiter(px, WAITER_CPU, PX_FAIR(0), MS(2), &lock);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	change(_metadata, px, waiter);
	px_set_flag(px, PX_FLAG);
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, waiter->ret);
	EXPECT_EQ(3, lock->cpu);
}

TEST_F(remote, change_away)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(5000), MS(5000));
	struct px_actor *waiter;
	struct tpe_op *lock;

	owner->op[3].code = TPE_BURN_UNTIL;
	owner->op[3].arg = PX_FLAG;
	waiter = add_waiter(px, WAITER_CPU, PX_FAIR(0), MS(2), &lock);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(10);
	change(_metadata, px, waiter);
	px_set_flag(px, PX_FLAG);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(0, waiter->ret);
	EXPECT_EQ(3, lock->cpu);
	if (px_counts(px))
		EXPECT_GT(px_delta(px, "migrated"), 0);
}

/* --- hotplug (H47) ------------------------------------------------------- */

/* The waiter's CPU goes down while it is parked; it wakes up elsewhere. */
TEST_F(remote, home_goes_down)
{
	struct px *px = self->px;
	struct px_actor *waiter;
	struct tpe_op *lock;

	if (access("/sys/devices/system/cpu/cpu2/online", W_OK))
		SKIP(return, "CPU 2 cannot go offline");
	add_sleeper(px, PX_FLAG, MS(1));
	waiter = add_waiter(px, WAITER_CPU, PX_FIFO(50), MS(2), &lock);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	ASSERT_EQ(0, px_write("/sys/devices/system/cpu/cpu2/online", "0"));
	px_set_flag(px, PX_FLAG);
	EXPECT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, px_write("/sys/devices/system/cpu/cpu2/online", "1"));
	EXPECT_EQ(0, waiter->ret);
	EXPECT_NE(WAITER_CPU, lock->cpu);
}

/* The owner's CPU goes down with a donor queued there. */
TEST_F(remote, owner_cpu_goes_down)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, MS(100), MS(300));
	struct px_actor *waiter;
	struct tpe_op *lock;

	if (access("/sys/devices/system/cpu/cpu1/online", W_OK))
		SKIP(return, "CPU 1 cannot go offline");
	waiter = add_waiter(px, WAITER_CPU, PX_FIFO(50), MS(5), &lock);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(5);
	ASSERT_EQ(0, px_write("/sys/devices/system/cpu/cpu1/online", "0"));
	EXPECT_EQ(0, px_join(px, 8000));
	EXPECT_EQ(0, px_write("/sys/devices/system/cpu/cpu1/online", "1"));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EQ(0, waiter->ret);
	EXPECT_EQ(WAITER_CPU, lock->cpu);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
