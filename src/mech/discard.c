/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closing what a client left behind, or a core.
 *
 * Where the kernel lets them pass descriptors, those that nobody received
 * are closed with the socket, and a foreign socket with SO_LINGER makes its last
 * closer wait for as long as its owner likes. A process that is killed does not
 * wait: so a child is made that has the socket too, we close ours, and kill it.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mech/discard.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

bool descriptors_refuse(int sock)
{
	int no = 0;

	return setsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no)) == 0;
}

bool discard_has_unread(int fd)
{
	int bytes = 0;

	shutdown(fd, SHUT_RDWR);
	return ioctl(fd, FIONREAD, &bytes) < 0 || bytes;
}

static _Noreturn void wait_for_the_end(void)
{
	for (;;)
		pause();
}

void discard(int fd, bool foreign_fds)
{
	pid_t pid;

	if (!foreign_fds || !discard_has_unread(fd)) {
		close(fd);
		return;
	}
	pid = fork();
	if (pid == 0)
		wait_for_the_end();
	if (pid < 0) /* better a descriptor lost than root stopped */
		return;
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
