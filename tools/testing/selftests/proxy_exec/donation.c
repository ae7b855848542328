// SPDX-License-Identifier: GPL-2.0
/*
 * Donation on one CPU: the owner of a mutex runs on the time of whoever waits
 * for it, for every class of donor and through chains of locks.
 *
 * Latencies are given as a ratio, in percent, of what was left of the owner's
 * critical section when the donor came. 100 cannot be beaten; a fair donor
 * among hogs of its own weight gets its share, 300 for two of them.
 */
#include "../kselftest_harness.h"
#include "proxy_util.h"

FIXTURE(donation)
{
	struct px *px;
};

FIXTURE_SETUP(donation)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(donation)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* --- one lock, any class of donor [I4, I5] ------------------------------ */

FIXTURE_VARIANT(donation)
{
	struct px_inversion inv;
	unsigned int cured;	/* ratio at most, in percent */
	unsigned int inverted;	/* ratio at least without donation */
};

/* The fair classes share the CPU with the hogs, so they only get a part. */
FIXTURE_VARIANT_ADD(donation, fair)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_FAIR(0), .hog = PX_FAIR(0),
		.hogs = 2, .section = MS(20), .hog_max = MS(700),
	},
	.cured = 450, .inverted = 2000,
};

FIXTURE_VARIANT_ADD(donation, fair_nice_minus_20)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_FAIR(-20), .hog = PX_FAIR(0),
		.hogs = 2, .section = MS(20), .hog_max = MS(700),
	},
	.cured = 200, .inverted = 2000,
};

FIXTURE_VARIANT_ADD(donation, fair_idle_owner)
{
	.inv = {
		.owner = PX_IDLE, .donor = PX_FAIR(0), .hog = PX_FAIR(0),
		.hogs = 2, .section = MS(20), .hog_max = MS(700),
	},
	.cured = 450, .inverted = 2000,
};

FIXTURE_VARIANT_ADD(donation, fifo)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_FIFO(50), .hog = PX_FAIR(0),
		.hogs = 2, .section = MS(20), .hog_max = MS(700),
	},
	.cured = 115, .inverted = 2000,
};

/* The hog would win against the owner, not against the donor. */
FIXTURE_VARIANT_ADD(donation, fifo_against_fifo_hog)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_FIFO(50), .hog = PX_FIFO(40),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	},
	.cured = 115, .inverted = 1500,
};

FIXTURE_VARIANT_ADD(donation, rr)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_RR(50), .hog = PX_RR(40),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	},
	.cured = 115, .inverted = 1500,
};

FIXTURE_VARIANT_ADD(donation, rr_donor_fifo_owner)
{
	.inv = {
		.owner = PX_FIFO(10), .donor = PX_RR(50), .hog = PX_FIFO(40),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	},
	.cured = 115, .inverted = 1500,
};

FIXTURE_VARIANT_ADD(donation, deadline)
{
	.inv = {
		.owner = PX_FAIR(19), .donor = PX_DL(MS(60), MS(100)),
		.hog = PX_FIFO(90),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	},
	.cured = 115, .inverted = 1500,
};

FIXTURE_VARIANT_ADD(donation, deadline_donor_rr_owner)
{
	.inv = {
		.owner = PX_RR(1), .donor = PX_DL(MS(60), MS(100)),
		.hog = PX_FIFO(90),
		.hogs = 1, .section = MS(20), .hog_max = MS(500),
	},
	.cured = 115, .inverted = 1500,
};

TEST_F(donation, inversion)
{
	struct px_inversion inv = variant->inv;
	struct px *px = self->px;

	if (inv.donor.policy == SCHED_DEADLINE)
		ASSERT_EQ(0, px_dl_begin(px));
	ASSERT_EQ(0, px_invert(px, &inv));
	TH_LOG("latency %llu us, section left %llu us, ratio %u.%02u",
	       (unsigned long long)inv.latency / 1000,
	       (unsigned long long)inv.remaining / 1000,
	       inv.ratio / 100, inv.ratio % 100);
	EXPECT_TRUE(inv.stayed);

	if (px->on) {
		EXPECT_GT(px_delta(px, "donations"), 0);
		EXPECT_GT(px_delta(px, "kept"), 0);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(inv.ratio, px_limit(variant->cured));
	if (!px->on)
		EXPECT_GE(inv.ratio, variant->inverted);
}

/* --- chains ------------------------------------------------------------- */

FIXTURE(chain)
{
	struct px *px;
};

FIXTURE_SETUP(chain)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(chain)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/*
 * Link i holds mutex i and waits for mutex i - 1. The first one burns CPU all
 * the while: a sleeping owner would end the chain. The links must not be less
 * important than the ones before, or they never get to block.
 */
static struct tpe_op *add_link(struct px *px, int i, struct px_attr attr)
{
	struct px_actor *a = px_actor(px, 1, attr);
	struct tpe_op *op;

	px_wait(a, PX_FLAG + i);
	px_lock(a, i);
	px_set(a, PX_FLAG + i + 1);
	op = px_lock_nested(a, i - 1, 1);
	px_unlock(a, i - 1);
	px_unlock(a, i);
	return op;
}

static struct px_actor *add_owner(struct px *px, struct px_attr attr,
				  uint64_t section)
{
	struct px_actor *a = px_actor(px, 1, attr);

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_FLAG + 1);
	px_burn_until(a, PX_HELD, MS(5000));
	px_burn(a, section);
	px_unlock(a, 0);
	return a;
}

/* Comes after the hogs, at the end of the chain. */
static struct tpe_op *add_donor(struct px *px, int last, struct px_attr attr,
				struct px_actor *owner)
{
	struct px_actor *a = px_actor(px, 1, attr);
	struct tpe_op *op;

	px_wait(a, PX_HELD);
	px_sleep(a, MS(3));
	op = px_lock(a, last);
	op->watch = owner->slot;
	px_unlock(a, last);
	px_set(a, PX_STOP);
	return op;
}

static int run_chain(struct px *px, struct px_actor *last, struct tpe_op *op)
{
	int ret = px_go(px);

	if (ret)
		return ret;
	ret = px_wait_blocked(last, op, 5000);
	if (ret)
		return ret;
	px_set_flag(px, PX_HELD);
	return px_join(px, 15000);
}

/* To be asked at the end, when the owner has burned all it had to. */
static unsigned int chain_ratio(struct px_actor *owner, struct tpe_op *donor)
{
	return px_ratio(donor, px_burned(owner), NULL);
}

TEST_F(chain, two)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, PX_FAIR(19), MS(20));
	struct tpe_op *link = add_link(px, 1, PX_FAIR(10));
	struct px_actor *last = &px->actor[px->nr - 1];
	struct tpe_op *donor = add_donor(px, 1, PX_FIFO(50), owner);
	unsigned int ratio;

	px_hog(px, 1, PX_FIFO(40), MS(500));
	ASSERT_EQ(0, run_chain(px, last, link));
	ratio = chain_ratio(owner, donor);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px->on) {
		EXPECT_GE(px_delta(px, "hops"), 2);
		EXPECT_GE(px_stat("max_depth"), 2);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(115));
	if (!px->on)
		EXPECT_GE(ratio, 1500);
}

TEST_F(chain, eight_of_all_classes)
{
	static const struct px_attr attr[] = {
		PX_FAIR(19), PX_IDLE, PX_BATCH(10), PX_FAIR(0), PX_FAIR(-10),
		PX_RR(10), PX_FIFO(20), PX_FIFO(30),
	};
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, attr[0], MS(20));
	struct px_actor *last;
	struct tpe_op *donor, *link;
	unsigned int i, ratio;

	for (i = 1; i < ARRAY_SIZE(attr); i++)
		link = add_link(px, i, attr[i]);
	last = &px->actor[px->nr - 1];
	ASSERT_EQ(0, px_dl_begin(px));
	donor = add_donor(px, i - 1, PX_DL(MS(60), MS(100)), owner);
	px_hog(px, 1, PX_FIFO(40), MS(500));

	ASSERT_EQ(0, run_chain(px, last, link));
	ratio = chain_ratio(owner, donor);
	TH_LOG("ratio %u.%02u", ratio / 100, ratio % 100);
	if (px->on) {
		EXPECT_GE(px_delta(px, "hops"), 8);
		EXPECT_GE(px_stat("max_depth"), 8);
	}
	if (!px_timing())
		return;
	if (px->on)
		EXPECT_LE(ratio, px_limit(120));
	if (!px->on)
		EXPECT_GE(ratio, 1500);
}

/* Longer than any bound: plain blocking, counted, and all finish [I8]. */
TEST_F(chain, too_deep)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, PX_FAIR(0), MS(5));
	struct px_actor *last;
	struct tpe_op *link, *donor;
	int i;

	for (i = 1; i < 70; i++)
		link = add_link(px, i, PX_FAIR(0));
	last = &px->actor[px->nr - 1];
	donor = add_donor(px, i - 1, PX_FIFO(50), owner);

	ASSERT_EQ(0, run_chain(px, last, link));
	EXPECT_EQ(0, donor->ret);
	if (px->on) {
		EXPECT_GT(px_delta(px, "degraded_depth"), 0);
		/* The bound, and what all shorter chains have been served by */
		EXPECT_LE(px_stat("max_depth"), 64);
	}
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
