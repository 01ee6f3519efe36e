/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of fault points: a name, and the errors that can be met there, in words;
 * "": none, the process can only stand still there, or be killed. Read by fault.h
 * and by test/func/test_faults.py, which lets each of them happen.
 */
#ifndef REEVE_BASE_FAULT_POINTS_H
#define REEVE_BASE_FAULT_POINTS_H

/* clang-format off */
#define FAULT_POINTS(POINT) \
	/* A request, from its bytes to the answer's. */ \
	POINT(CORE_ACCEPT, "ENOMEM") \
	POINT(CORE_AT_WORK, "") \
	POINT(CORE_RESERVE, "ENOSPC EDQUOT EBUSY") \
	POINT(CORE_RESERVED, "") \
	POINT(CORE_ASK, "ENOMEM") \
	POINT(CORE_ASKED, "") \
	POINT(CORE_ANSWERED, "") \
	POINT(CORE_COMMIT, "") \
	POINT(CORE_COMMITTED, "") \
	POINT(CORE_RELEASED, "") \
	POINT(CORE_REPLY, "") \
	POINT(CORE_RECORDED, "") \
	POINT(CORE_SETTLE, "") \
	POINT(CORE_SETTLED, "") \
	POINT(CORE_CALL, "") \
	POINT(CORE_CALLED, "") \
	/* What happens without a request. */ \
	POINT(CORE_EVENT, "") \
	POINT(CORE_EXPIRED, "") \
	POINT(CORE_LOGGED, "") \
	POINT(CORE_TOLD, "") \
	POINT(CORE_END, "") \
	POINT(CORE_ENDED, "") \
	POINT(CORE_FORGOTTEN, "") \
	/* A core that takes over. */ \
	POINT(CORE_TAKE_OVER, "") \
	POINT(CORE_TAKEN_BACK, "") \
	POINT(CORE_RESUME, "ENOMEM") \
	POINT(CORE_ORPHANS, "") \
	POINT(CORE_RESYNC_NICS, "") \
	POINT(CORE_RESYNC_OWNERS, "") \
	POINT(CORE_RESYNC_HELD, "") \
	POINT(CORE_RESYNC_SWEEP, "") \
	POINT(CORE_RESYNC_DONE, "") \
	POINT(CORE_READY, "") \
	/* What root does to the kernel. */ \
	POINT(REEVED_ACCEPT, "EMFILE ENOMEM") \
	POINT(REEVED_STAMP, "ESRCH ENOMEM") \
	POINT(REEVED_HAND_OVER, "") \
	POINT(REEVED_CLOSE, "") \
	POINT(REEVED_CPUSET, "EBUSY EIO ENOENT") \
	POINT(REEVED_OPEN, "ENOMEM ENOSPC ENODEV") \
	POINT(REEVED_OPENED, "") \
	POINT(REEVED_LOADER, "EAGAIN ENOMEM EMFILE") \
	POINT(REEVED_LOADED, "") \
	POINT(REEVED_OWNER, "ENOMEM") \
	POINT(REEVED_QUEUE, "EBUSY ENOMEM") \
	POINT(REEVED_QUEUE_OFF, "") \
	POINT(REEVED_PORT, "ENOMEM E2BIG") \
	POINT(REEVED_PORT_OFF, "") \
	POINT(REEVED_ADDRESS, "ENOMEM E2BIG") \
	POINT(REEVED_ADDRESS_OFF, "") \
	POINT(REEVED_FLOW, "ENOMEM E2BIG") \
	POINT(REEVED_FLOW_OFF, "") \
	POINT(REEVED_SOCKET, "ENOMEM EBUSY") \
	POINT(REEVED_DETACH, "") \
	POINT(REEVED_ANSWER, "") \
	/* From one core to the next. */ \
	POINT(REEVED_UNCLAIM, "") \
	POINT(REEVED_SPAWN, "EAGAIN ENOMEM EMFILE") \
	POINT(REEVED_HELLO, "ENOBUFS") \
	POINT(REEVED_RESUME, "") \
	POINT(REEVED_SWEEP, "") \
	POINT(REEVED_READY, "")
/* clang-format on */

#endif
