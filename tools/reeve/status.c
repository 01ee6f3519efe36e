/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <stdio.h>

#include "text.h"

static void say(const char *title, const json_t *reply, const char *name)
{
	char text[TEXT_MAX];

	text_member(reply, name, text);
	printf("%-12s %s\n", title, text);
}

static void say_daemon(const json_t *reply)
{
	char version[TEXT_MAX], pid[TEXT_MAX], since[TEXT_MAX];

	text_member(reply, "version", version);
	text_member(reply, "pid", pid);
	text_time(reply, "since", since);
	printf("%-12s reeved %s, pid %s\n", "Daemon:", version, pid);
	printf("%-12s %s\n", "Since:", since);
}

static void say_planes(const json_t *reply)
{
	const json_t *planes = json_object_get(reply, "planes"), *plane;
	size_t i;

	printf("%-12s ", "Planes:");
	json_array_foreach(planes, i, plane) {
		fputs(i ? ", " : "", stdout);
		text_print(stdout, json_string_value(plane) ?: "-");
	}
	puts(json_array_size(planes) ? "" : "-");
}

static void say_caller(const json_t *reply)
{
	char tenant[TEXT_MAX];

	text_member(reply, "tenant", tenant);
	printf("%-12s %s%s\n", "Your tenant:", tenant,
	       json_is_true(json_object_get(reply, "admin")) ? " (administrator)" : "");
}

int status_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli, "Tell what the daemon is and does.", argc, argv);
	status = cli_ask_once(cli, "Status", NULL, &reply);
	if (status)
		return status;
	if (cli->json)
		return cli_print_json(reply);
	say_daemon(reply);
	say_planes(reply);
	say("Clients:", reply, "clients");
	say("Instances:", reply, "instances");
	say("Leases:", reply, "leases");
	say("Last event:", reply, "seq");
	say_caller(reply);
	return EXIT_SUCCESS;
}
