// SPDX-License-Identifier: GPL-2.0
/*
 * Let QEMU exit with a status: semihosting, from user space. What powers off or
 * reboots the machine has no status, and a panic looks the same.
 */
#include <stdint.h>
#include <stdlib.h>

#define SYS_EXIT	0x18
#define ADP_EXIT	0x20026

int main(int argc, char **argv)
{
	uint64_t block[] = { ADP_EXIT, argc > 1 ? strtoul(argv[1], NULL, 10) : 1 };
	register uint64_t op asm("x0") = SYS_EXIT;
	register uint64_t *arg asm("x1") = block;

	asm volatile("hlt #0xf000" : "+r" (op) : "r" (arg) : "memory");
	return 1;
}
