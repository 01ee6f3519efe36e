// SPDX-License-Identifier: BSD-3-Clause
// machnet.h from C++, called as programs do: nothing here runs.
#include <machnet.h>

extern "C" int machnet_header_in_cc()
{
	MachnetFlow_t flow{};
	MachnetIovec_t iov{};
	MachnetMsgHdr_t msg{};
	char buf[8];

	if (machnet_init() != 0)
		return -1;
	void *ctx = machnet_attach();
	MachnetChannelCtx_t *bound = machnet_bind(-1, nullptr);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	int r = machnet_listen(ctx, "10.0.0.1", 1) + machnet_listen(bound, "10.0.0.1", 1);
	r += machnet_connect(ctx, "10.0.0.1", "10.0.0.2", 1, &flow);
	r += machnet_send(ctx, flow, buf, sizeof(buf)) + machnet_sendmsg(bound, &msg);
	r += machnet_sendmmsg(ctx, &msg, 1) + machnet_recvmsg(ctx, &msg);
	r += static_cast<int>(machnet_recv(ctx, buf, sizeof(buf), &flow));
	machnet_detach(ctx);
	return r + g_ctrl_socket + g_app_uuid[0] + g_app_uuid_str[0];
}
