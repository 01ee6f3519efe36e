/* SPDX-License-Identifier: BSD-3-Clause */
/* reeve(1): the command line. */
#include <locale.h>
#include <stdio.h>

#include "cli.h"

static const struct command commands[] = {
	{ "status", "what the daemon is and does", status_main },
	{ "host", "the CPUs and NICs of this host, and who has them", host_main },
	{ "lease", "list, explain, acquire, release", lease_main },
	{ "nic", "the network interfaces, and what of them can be leased", nic_main },
	{ "queue", "receive queues: list, acquire", queue_main },
	{ "port", "UDP ports: list, add", port_main },
	{ "address", "IP addresses as a whole: list, add", address_main },
	{ "flow", "flow rules: list, add", flow_main },
	{ "xdp", "which XDP programs sit where, and for whom", xdp_main },
	{ "net", "the message stack: interfaces, flows, traces", net_main },
	{ "instance", "the clients of the daemon", instance_main },
	{ "tenant", "tenants, their quotas and what they use", tenant_main },
	{ "events", "what was granted, refused, given back", events_main },
	{ "admin", "the daemon itself: upgrade, stop", admin_main },
	{ "doctor", "what this host can do, and what would mend the rest", doctor_main },
	{ 0 },
};

/* What could not be written was not said: a full disk is no success. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("reeve: stdout");
	return status ?: EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct cli cli = { .name = "reeve" };

	setlocale(LC_ALL, "");
	argp_program_version = "reeve " REEVE_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	if (argc > 0)
		argv[0] = cli.name;
	return flushed(
		cli_dispatch(&cli, commands, "See and lease this host's fast path.", argc, argv));
}
