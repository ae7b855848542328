// SPDX-License-Identifier: GPL-2.0
/*
 * Priority inversions of every kind, measured: owner and waiter on one CPU or
 * on two, chains, owners that sleep, owners out of bandwidth, mutexes and
 * rw_semaphores, waiters of all classes.
 *
 * Each scene is run a number of rounds, each with another phase between the
 * ticks, the slices of the hogs and the arrival of the waiter. What counts is
 * the latency of the waiter's lock operation as a multiple of what the owner
 * still had to do when the waiter came: 1.00 cannot be beaten. A fair waiter
 * competes with two hogs of its own weight, so in the long run it gets a third
 * of the CPU.
 *
 * A line "scene: name=... ratio_mean=..." sums up each scene; dev/demo makes a
 * table of them. PROXY_EXEC_ROUNDS (8) and PROXY_EXEC_PHASE (0) change what
 * they say. Without proxy execution the same scenes are the controls.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define OWNER_CPU	1
#define MAX_ROUNDS	64

/* What the owner holds, and how the waiter wants it */
enum scene_lock { MUTEX, WRITER_READS, WRITER_WRITES };

/* Who is in which group */
enum scene_group { NO_GROUP, OWNER_THROTTLED, OWNER_LIGHT };

struct scene {
	const char *name;
	struct px_attr waiter;
	struct px_attr owner;
	int waiter_cpu;
	int middle_cpu;		/* of another owner between the two, 0: none */
	enum scene_lock lock;
	enum scene_group group;
	uint64_t sleep;		/* of the owner inside its section, ns */
	uint64_t after;		/* what the owner burns after its unlock, ns */
	unsigned int cured;	/* mean ratio at most, in percent */
	unsigned int inverted;	/* at least, without proxy execution; 0: any */
};

struct scene_result {
	unsigned int rounds;
	unsigned int voids;	/* the section was over before the waiter came */
	uint64_t remaining;	/* sums over the rounds, ns */
	uint64_t latency;
	uint64_t latency_max;
	uint64_t ratio;		/* sum, percent */
	unsigned int ratio_max;
	uint64_t handoff;	/* from unlock to the waiter, sum, ns */
	uint64_t handoff_max;
};

static unsigned int from_env(const char *name, unsigned int value)
{
	const char *env = getenv(name);

	return env ? strtoul(env, NULL, 10) : value;
}

/* The next number of a fixed sequence, uniform in [0, below) */
static uint64_t next_phase(uint64_t below)
{
	static uint64_t state;

	if (!state)
		state = (from_env("PROXY_EXEC_PHASE", 0) + 1) * 0x9e3779b97f4a7c15ull;
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % below;
}

static int set_group(const char *group, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", group, file);
	return px_write(path, value);
}

static int join_group(const char *group, struct px_actor *a)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", a->pid);
	return set_group(group, "cgroup.procs", pid);
}

static int make_groups(const struct scene *s)
{
	int ret;

	ret = px_write(CGROUPS "/cgroup.subtree_control", "+cpu");
	if (ret)
		return ret;
	if (mkdir(CGROUPS "/px_owner", 0755) && errno != EEXIST)
		return -errno;
	if (mkdir(CGROUPS "/px_others", 0755) && errno != EEXIST)
		return -errno;
	if (s->group == OWNER_THROTTLED)
		return set_group("px_owner", "cpu.max", "5000 100000");

	ret = set_group("px_owner", "cpu.weight", "4");
	return ret ?: set_group("px_others", "cpu.weight", "512");
}

static void remove_groups(void)
{
	rmdir(CGROUPS "/px_owner");
	rmdir(CGROUPS "/px_others");
}

static void take(struct px_actor *a, enum scene_lock lock, bool owner,
		 struct tpe_op **op)
{
	uint32_t code = TPE_MUTEX_LOCK;

	if (lock != MUTEX)
		code = owner || lock == WRITER_WRITES ? TPE_DOWN_WRITE :
							TPE_DOWN_READ;
	*op = px_op(a, code, 0, 0);
}

static struct tpe_op *release(struct px_actor *a, enum scene_lock lock)
{
	return px_op(a, lock == MUTEX ? TPE_MUTEX_UNLOCK : TPE_UP, 0, 0);
}

/*
 * The owner takes lock 0 and lets everybody go. In a chain another owner has
 * mutex 1, wants lock 0, and the waiter wants mutex 1.
 */
static int play_round(const struct scene *s, struct scene_result *r)
{
	/* A throttled owner has used up its time when the waiter comes. */
	uint64_t head = s->group == OWNER_THROTTLED ? MS(5) : 0;
	uint64_t section = head + US(4400);
	/* What the owner has done, and for how long it has been preempted */
	uint64_t done = next_phase(US(4000));
	uint64_t start = s->after ? 0 : MS(8) + next_phase(MS(7));
	/* Out of bandwidth, or to be preempted: that is bad enough. */
	uint64_t hog_max = s->group == OWNER_THROTTLED || s->after ? 0 : MS(4000);
	struct px_actor *owner, *middle = NULL, *waiter, *hog[2];
	struct tpe_op *op, *lock, *unlock, *nap = NULL;
	uint64_t from, latency, left;
	struct px *px;
	int i, ret;

	px = px_open();
	if (!px)
		return -ENOMEM;
	if (s->waiter.policy == SCHED_DEADLINE)
		px_dl_begin(px);

	owner = px_actor(px, OWNER_CPU, s->owner);
	owner->name = "owner";
	px_wait(owner, PX_GO);
	take(owner, s->lock, true, &op);
	px_burn(owner, done);
	px_set(owner, PX_HELD);
	if (s->sleep)
		nap = px_sleep(owner, start + s->sleep);
	px_burn(owner, section - done);
	unlock = release(owner, s->lock);
	if (s->after)
		px_burn(owner, s->after);

	for (i = 0; i < 2; i++) {
		hog[i] = px_hog(px, OWNER_CPU, PX_FAIR(0), hog_max);
		hog[i]->name = i ? "hog2" : "hog1";
	}

	if (s->middle_cpu) {
		middle = px_actor(px, s->middle_cpu, s->owner);
		middle->name = "middle";
		px_lock(middle, 1);
		px_wait(middle, PX_HELD);
		op = px_lock(middle, 0);
		op->subclass = 1;
		px_unlock(middle, 0);
		px_unlock(middle, 1);
	}

	waiter = px_actor(px, s->waiter_cpu, s->waiter);
	waiter->name = "waiter";
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, start);
	if (middle)
		lock = px_lock(waiter, 1);
	else
		take(waiter, s->lock, false, &lock);
	lock->watch = owner->slot;
	px_set(waiter, PX_STOP);
	if (middle)
		px_unlock(waiter, 1);
	else
		release(waiter, s->lock);

	ret = px_start(px);
	if (!ret && s->group)
		ret = join_group("px_owner", owner);
	if (!ret && s->group == OWNER_LIGHT) {
		ret = join_group("px_others", waiter);
		for (i = 0; !ret && i < 2; i++)
			ret = join_group("px_others", hog[i]);
	}
	if (!ret)
		ret = px_set_flag(px, PX_GO);
	if (!ret && px_join(px, 25000))
		ret = -ETIMEDOUT;
	if (!ret)
		ret = owner->ret ?: waiter->ret;
	if (ret)
		goto out;

	/* The owner may have got away. */
	left = lock->seen < section ? section - lock->seen : 0;
	if (left < US(100)) {
		r->voids++;
		goto out;
	}

	/* Until it wakes up, the owner cannot be helped. */
	from = lock->start;
	if (nap && nap->start + nap->val > from)
		from = nap->start + nap->val;
	latency = lock->end > from ? lock->end - from : 0;

	r->rounds++;
	r->remaining += left;
	r->latency += latency;
	if (latency > r->latency_max)
		r->latency_max = latency;
	r->ratio += latency * 100 / left;
	if (latency * 100 / left > r->ratio_max)
		r->ratio_max = latency * 100 / left;
	latency = lock->end > unlock->start ? lock->end - unlock->start : 0;
	r->handoff += latency;
	if (latency > r->handoff_max)
		r->handoff_max = latency;
	if (px_splat(px))
		ret = -EIO;
out:
	if (px_close(px))
		ret = ret ?: -EBUSY;
	return ret;
}

FIXTURE(scenes)
{
};

FIXTURE_VARIANT(scenes)
{
	struct scene s;
};

FIXTURE_SETUP(scenes)
{
	if (variant->s.group && make_groups(&variant->s))
		SKIP(return, "no cgroup2 with a cpu controller");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
}

FIXTURE_TEARDOWN(scenes)
{
	if (variant->s.group)
		remove_groups();
}

FIXTURE_VARIANT_ADD(scenes, same_nice0)
{
	.s = {
		.name = "same_nice0", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU, .cured = 230,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, same_nice0_idle)
{
	.s = {
		.name = "same_nice0_idle", .waiter = PX_FAIR(0),
		.owner = PX_IDLE, .waiter_cpu = OWNER_CPU, .cured = 250,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, same_fifo)
{
	.s = {
		.name = "same_fifo", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU, .cured = 102,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, other_nice0)
{
	.s = {
		.name = "other_nice0", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .cured = 300,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, other_nice_20)
{
	.s = {
		.name = "other_nice_20", .waiter = PX_FAIR(-20),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .cured = 120,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, other_fifo)
{
	.s = {
		.name = "other_fifo", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .cured = 115,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, other_deadline)
{
	.s = {
		.name = "other_deadline", .waiter = PX_DL(MS(20), MS(40)),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .cured = 120,
		.inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, max_same)
{
	.s = {
		.name = "max_same", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU,
		.group = OWNER_THROTTLED, .cured = 105, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, max_other)
{
	.s = {
		.name = "max_other", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = 2,
		.group = OWNER_THROTTLED, .cured = 105, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, weight_same)
{
	.s = {
		.name = "weight_same", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU,
		.group = OWNER_LIGHT, .cured = 350, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, weight_other)
{
	.s = {
		.name = "weight_other", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .group = OWNER_LIGHT,
		.cured = 650, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, chain_same)
{
	.s = {
		.name = "chain_same", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU,
		.middle_cpu = 1, .cured = 230, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, chain_three)
{
	.s = {
		.name = "chain_three", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = 3, .middle_cpu = 2,
		.cured = 300, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, chain_three_fifo)
{
	.s = {
		.name = "chain_three_fifo", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 3, .middle_cpu = 2,
		.cured = 120, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, sleep_same)
{
	.s = {
		.name = "sleep_same", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU, .sleep = MS(5),
		.cured = 300, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, sleep_other)
{
	.s = {
		.name = "sleep_other", .waiter = PX_FAIR(0),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .sleep = MS(5),
		.cured = 300, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, sleep_other_fifo)
{
	.s = {
		.name = "sleep_other_fifo", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .sleep = MS(5),
		.cured = 120, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, rwsem_reader)
{
	.s = {
		.name = "rwsem_reader", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .lock = WRITER_READS,
		.cured = 120, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, rwsem_writer)
{
	.s = {
		.name = "rwsem_writer", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .lock = WRITER_WRITES,
		.cured = 120, .inverted = 1500,
	},
};

FIXTURE_VARIANT_ADD(scenes, handoff_same)
{
	.s = {
		.name = "handoff_same", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = OWNER_CPU,
		.after = MS(200), .cured = 110, .inverted = 0,
	},
};

FIXTURE_VARIANT_ADD(scenes, handoff_other)
{
	.s = {
		.name = "handoff_other", .waiter = PX_FIFO(50),
		.owner = PX_FAIR(19), .waiter_cpu = 2, .after = MS(200),
		.cured = 110, .inverted = 0,
	},
};

TEST_F(scenes, ratio)
{
	const struct scene *s = &variant->s;
	unsigned int n = from_env("PROXY_EXEC_ROUNDS", 8);
	struct scene_result r = { };
	unsigned int mean;

	ASSERT_GT(n, 0);
	while (r.rounds < n && r.voids < 3 * n)
		ASSERT_EQ(0, play_round(s, &r));
	ASSERT_EQ(n, r.rounds);
	mean = r.ratio / n;

	printf("# scene: name=%s rounds=%u voids=%u", s->name, n, r.voids);
	printf(" remaining_ns=%llu latency_ns=%llu latency_max_ns=%llu",
	       (unsigned long long)r.remaining / n,
	       (unsigned long long)r.latency / n,
	       (unsigned long long)r.latency_max);
	printf(" ratio_mean=%u.%02u ratio_max=%u.%02u", mean / 100, mean % 100,
	       r.ratio_max / 100, r.ratio_max % 100);
	printf(" handoff_ns=%llu handoff_max_ns=%llu\n",
	       (unsigned long long)r.handoff / n,
	       (unsigned long long)r.handoff_max);

	/*
	 * The phases of one boot may be bad luck. To tell how well a scene is
	 * served takes more rounds, and boots.
	 */
	if (!px_timing())
		return;
	if (px_enabled()) {
		EXPECT_LE(mean, px_limit(s->cured * 3 / 2));
		if (s->after)
			EXPECT_LT(r.handoff_max, MS(5));
	} else if (s->inverted) {
		EXPECT_GE(mean, s->inverted);
	}
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
