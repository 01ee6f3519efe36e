/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "doctor.h"
#include "mech/ethnl.h"

enum { PATH_LEN = 128, CHECK_LEN = 48, COMMAND_LEN = 256 };

struct one {
	char name[NIC_NAME_MAX];
	char driver[64];
	char device[64]; /* its name on its bus */
};

static void note_queues(struct doctor *d, const struct one *nic, struct ethnl *ethnl)
{
	struct ethnl_channels channels = { 0 };
	char path[PATH_LEN], check[CHECK_LEN], mend[COMMAND_LEN] = "";
	unsigned queues, max;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", nic->name);
	snprintf(check, sizeof(check), "%s queues", nic->name);
	queues = doctor_count(d, path, "rx-");
	if (queues > 1) {
		doctor_note(d, check, FINE, NULL, "%u receive queues", queues);
		return;
	}
	if (ethnl)
		ethnl_get_channels(ethnl, if_nametoindex(nic->name), &channels);
	max = channels.max_combined > channels.max_rx ? channels.max_combined : channels.max_rx;
	if (max > 1)
		snprintf(mend, sizeof(mend), "ethtool -L %s %s %u", nic->name,
			 channels.max_combined ? "combined" : "rx", max < 4 ? max : 4);
	doctor_note(d, check, LIMITED, mend,
		    "one receive queue, which is the system's unless reeve.conf says "
		    "'system-queues = 0' for it");
}

static void note_flows(struct doctor *d, const struct one *nic, struct ethnl *ethnl)
{
	char check[CHECK_LEN], mend[COMMAND_LEN];
	bool on = false, possible = false;

	if (!ethnl)
		return;
	snprintf(check, sizeof(check), "%s flow rules", nic->name);
	snprintf(mend, sizeof(mend), "ethtool -K %s ntuple on", nic->name);
	if (ethnl_get_ntuple(ethnl, if_nametoindex(nic->name), &on, &possible) < 0)
		possible = on = false;
	if (on)
		doctor_note(d, check, FINE, NULL, "the NIC steers flows to queues");
	else if (possible)
		doctor_note(d, check, LIMITED, mend,
			    "the NIC could steer flows and is not asked to");
	else
		doctor_note(d, check, LIMITED, NULL,
			    "the NIC has no flow rules; 'soft-flows = true' in reeve.conf lets XDP "
			    "stand in for them");
}

/* --- Azure ----------------------------------------------------------------------------- */

static void note_azure_tools(struct doctor *d)
{
	if (!doctor_has(d, "/sys/module/uio_hv_generic"))
		doctor_note(
			d, "azure", MISSING, "modprobe uio_hv_generic",
			"uio_hv_generic is not loaded, which user-space drivers of Azure's NICs "
			"need");
	if (!doctor_has(d, "/usr/sbin/driverctl") && !doctor_has(d, "/usr/bin/driverctl"))
		doctor_note(d, "azure", MISSING, "apt-get install driverctl",
			    "driverctl is not installed, which gives a NIC to another driver for "
			    "good");
}

static void note_azure_nic(struct doctor *d, const struct one *nic)
{
	char check[CHECK_LEN], mend[COMMAND_LEN];

	snprintf(check, sizeof(check), "%s azure", nic->name);
	snprintf(mend, sizeof(mend), "driverctl -b vmbus set-override %s uio_hv_generic",
		 nic->device);
	doctor_note(d, check, LIMITED, mend,
		    "hv_netvsc has it; DPDK's netvsc driver needs it under uio_hv_generic, and the "
		    "kernel then has it no more: not for the one by which you log in");
}

/* --- all ---------------------------------------------------------------------------------- */

/* One with a device behind it. */
static bool look_at(const struct doctor *d, const char *name, struct one *ret)
{
	char path[PATH_LEN];

	if (!str_copy(ret->name, sizeof(ret->name), name) || !nic_name_sound(ret->name))
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", ret->name);
	if (!doctor_link(d, path, ret->device, sizeof(ret->device)))
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", ret->name);
	doctor_link(d, path, ret->driver, sizeof(ret->driver));
	return true;
}

static bool note_one(struct doctor *d, const struct one *nic, struct ethnl *ethnl)
{
	bool azure = !strcmp(nic->driver, "hv_netvsc");

	note_queues(d, nic, ethnl);
	note_flows(d, nic, ethnl);
	if (azure)
		note_azure_nic(d, nic);
	return azure;
}

static void note_all(struct doctor *d, DIR *dir, struct ethnl *ethnl)
{
	const struct dirent *entry;
	bool azure = false;
	unsigned n = 0;

	while ((entry = readdir(dir))) {
		struct one nic = { 0 };

		if (entry->d_name[0] == '.' || !look_at(d, entry->d_name, &nic))
			continue;
		azure |= note_one(d, &nic, ethnl);
		n++;
	}
	if (azure || doctor_count(d, "/sys/bus/vmbus/drivers/uio_hv_generic", ""))
		note_azure_tools(d);
	if (!n)
		doctor_note(d, "NICs", LIMITED, NULL,
			    "no network interface has a device behind it");
}

void doctor_nics(struct doctor *d)
{
	int fd = openat(d->root, "sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_fd_ int sock = d->real ? ethnl_socket() : -1;
	struct ethnl ethnl;

	if (!dir) {
		doctor_note(d, "NICs", UNKNOWN, NULL, "/sys/class/net can't be read");
		return;
	}
	if (sock >= 0 && ethnl_open(&ethnl, sock, false, NULL) == 0)
		note_all(d, dir, &ethnl);
	else
		note_all(d, dir, NULL);
}
