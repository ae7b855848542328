// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU's TCG: how many instructions each piece of the guest's code
 * has executed between two marks: a profile that is exact. By hand so far.
 *
 *	-plugin insns.so,out=FILE
 *
 * FILE gets lines "ADDRESS INSTRUCTIONS EXECUTIONS", one per translated block,
 * when QEMU ends. A mark is a nop with an operand that means nothing else, see
 * bench.c. Counts are exact with one host thread; a block that is left halfway
 * by a fault counts in full.
 *
 * Debian ships no header. This is what is needed of version 1 of the interface,
 * https://qemu.readthedocs.io/en/v7.2.0/devel/tcg-plugins.html.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
		void (*cb)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					      void *ptr, uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
		void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id,
				    void (*cb)(plugin_id id, void *data),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t idx);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

/* nopl 0x0ba5e001(%rax) begins, nopl 0x0ba5e002(%rax) ends */
static const unsigned char mark[] = { 0x0f, 0x1f, 0x80, 0x01, 0xe0, 0xa5, 0x0b };

struct block {
	uint64_t addr;
	uint64_t insns;
	uint64_t runs;
	uint64_t before;	/* the first mark, or between two of them */
	uint64_t counted;
	struct block *next;
};

static struct block *blocks;
static int counting;
static char *out;

static void begin(unsigned int cpu, void *data)
{
	struct block *b;

	for (b = blocks; b; b = b->next)
		b->before = b->runs;
	counting = 1;
}

static void end(unsigned int cpu, void *data)
{
	struct block *b;

	if (!counting)
		return;
	for (b = blocks; b; b = b->next) {
		b->counted += b->runs - b->before;
		b->before = b->runs;
	}
	counting = 0;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	if (!b)
		abort();
	b->addr = qemu_plugin_tb_vaddr(tb);
	b->insns = n;
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &b->runs, 1);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const unsigned char *data = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) != sizeof(mark) ||
		    memcmp(data, mark, 3) || memcmp(data + 4, mark + 4, 3))
			continue;
		if (data[3] == 1)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, 0, NULL);
		else if (data[3] == 2)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, 0, NULL);
	}
}

static void finished(plugin_id id, void *data)
{
	struct block *b;
	FILE *f = fopen(out, "w");

	if (!f) {
		perror(out);
		return;
	}
	end(0, NULL);
	for (b = blocks; b; b = b->next)
		if (b->counted)
			fprintf(f, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
				b->addr, b->insns, b->counted);
	fclose(f);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	if (!out) {
		fprintf(stderr, "insns: out= is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}
