// SPDX-License-Identifier: GPL-2.0
/*
 * Print the frequency of the time stamp counter in kHz. With one host thread
 * per CPU a guest reads the host's counter; left to itself it compares it with
 * an emulated timer at boot, and if the host takes a break in the middle its
 * clock is wrong by any factor, and the RCU and hang detectors with it.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static void sample(unsigned long long *tsc, double *ms)
{
	unsigned long long before, best = ~0ULL;
	struct timespec ts;
	int i;

	/* Both at once: of some tries the one that was not interrupted */
	for (i = 0; i < 100; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		if (__rdtsc() - before < best) {
			best = __rdtsc() - before;
			*tsc = before;
			*ms = ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
		}
	}
}

int main(void)
{
	struct timespec nap = { .tv_nsec = 200000000 };
	unsigned long long tsc[2];
	double ms[2];

	sample(&tsc[0], &ms[0]);
	nanosleep(&nap, NULL);
	sample(&tsc[1], &ms[1]);
	printf("%.0f\n", (tsc[1] - tsc[0]) / (ms[1] - ms[0]));
	return 0;
}
