/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Interface of the test module test_proxy_exec: scripts of lock operations
 * that run inside one system call, so that no lock is ever held in user space.
 */
#ifndef _TEST_PROXY_EXEC_H
#define _TEST_PROXY_EXEC_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TPE_DEVICE	"test_proxy_exec"

#define TPE_MUTEXES	80
#define TPE_RWSEMS	4
#define TPE_WW_CLASS	8	/* locks of one ww class */
#define TPE_WW		(2 * TPE_WW_CLASS)	/* wait-die, then wound-wait */
#define TPE_FLAGS	128
#define TPE_SLOTS	128
#define TPE_MAX_OPS	64
#define TPE_MAX_WORKS	32

/* what an operation does; arg, val as in the comment */
enum tpe_code {
	TPE_NOP,
	TPE_MUTEX_LOCK,		/* arg: mutex */
	TPE_MUTEX_UNLOCK,	/* arg: mutex */
	TPE_WW_LOCK,		/* arg: ww_mutex, val: op to restart from */
	TPE_WW_FINI,		/* unlock all ww_mutexes, end the context */
	TPE_DOWN_READ,		/* arg: rwsem */
	TPE_DOWN_WRITE,		/* arg: rwsem */
	TPE_UP,			/* arg: rwsem */
	TPE_BURN,		/* val: ns of own CPU time */
	TPE_BURN_UNTIL,		/* arg: flag, val: at most so many ns */
	TPE_SLEEP,		/* val: ns */
	TPE_SET,		/* arg: flag */
	TPE_WAIT,		/* arg: flag; sleeps */
	TPE_STAMP,		/* nothing but the stamps */
	TPE_YIELD,
	TPE_LOOP,		/* arg: op to go back to, val: times */
	TPE_WORKS,		/* arg: mutex held, val: works that want it */
	TPE_WORKS_FINI,		/* wait for them, with no mutex held */
	TPE_MIGRATE_DISABLE,	/* until the end of the script */
	TPE_RCU_TASKS,		/* wait for a grace period */
	TPE_CODES
};

/* how a lock operation sleeps */
enum tpe_mode {
	TPE_UNINTERRUPTIBLE,
	TPE_INTERRUPTIBLE,	/* mutex, ww_mutex */
	TPE_KILLABLE,		/* mutex, rwsem */
	TPE_IO,			/* mutex: counts as waiting for I/O */
	TPE_MODES
};

struct tpe_op {
	__u32 code;
	__u32 arg;
	__u32 subclass;		/* lockdep's, of a mutex or writer */
	__u32 mode;
	__u64 val;
	__u32 watch;		/* slot whose progress is recorded at start */
	__u32 runs;		/* results from here on; of the last run */
	__s32 ret;
	__u32 cpu;		/* at the end */
	__u64 start;		/* CLOCK_MONOTONIC */
	__u64 end;
	__u64 seen;		/* CPU time burned by the watched slot */
};

struct tpe_script {
	__u64 ops;		/* struct tpe_op * */
	__u32 nr;
	__u32 slot;		/* where the progress of the caller is shown */
};

struct tpe_peek {
	__u32 slot;
	__u32 pc;		/* 0: not in a script, n: in operation n - 1 */
	__u64 burned;		/* ns burned by TPE_BURN and TPE_BURN_UNTIL */
};

/* Each open file has locks, flags and slots of its own. */
#define TPE_IOC_RUN	_IOWR('P', 0xe0, struct tpe_script)
#define TPE_IOC_PEEK	_IOWR('P', 0xe1, struct tpe_peek)

#endif
