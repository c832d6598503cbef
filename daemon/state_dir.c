/* state_dir.c — see state_dir.h. */
#define _GNU_SOURCE
#include "state_dir.h"

#include "clock.h"
#include "log.h"
#include "system_reason.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define POLL_MS 50

static void describe(const char *path, int error, char *ret_error, size_t error_len)
{
	char reason[SYSTEM_REASON_MAX];

	snprintf(ret_error, error_len, "state_dir %s: %s", path, system_reason(-error, reason));
}

int state_dir_make(const char *path, const struct privileges *privileges, char *ret_error,
		   size_t error_len)
{
	int error = 0;
	if (mkdir(path, 0750) == 0) {
		if (lchown(path, privileges->uid, privileges->gid) < 0)
			error = -errno;
	} else if (errno != EEXIST) {
		error = -errno;
	}
	if (error == -ENOENT)
		snprintf(ret_error, error_len, "state_dir %s: the directory above it is not there",
			 path);
	else if (error)
		describe(path, error, ret_error, error_len);
	return error;
}

/* With the sticky bit, as in /tmp, nobody can take the place of what is ours. */
static void warn_if_open(const char *path, mode_t mode)
{
	if ((mode & S_IWOTH) && !(mode & S_ISVTX))
		log_warning("state_dir %s: everybody may write there, and put his own in the place "
			    "of its sockets and data (chmod o-w)",
			    path);
}

static int check_directory(const char *path)
{
	struct stat status;
	/* Follows a symbolic link on purpose: the directory is the operator's choice. */
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	warn_if_open(path, status.st_mode);
	return 0;
}

static int open_lock_file(const char *path, int *ret_fd)
{
	char file[PATH_MAX];
	if ((size_t)snprintf(file, sizeof(file), "%s/lock", path) >= sizeof(file))
		return -ENAMETOOLONG;
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Process id of a living supervisor that holds the record lock; 0: none; -1: one whose id is not
 * known here (another pid namespace). */
static pid_t lock_holder(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : -1;
}

/* 0, or -EAGAIN: somebody has one of the two. */
static int try_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_SETLK, &lock) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	int error = errno == EWOULDBLOCK ? -EAGAIN : -errno;
	/* Another start that waits as we do shall not take us for a running supervisor. */
	lock.l_type = F_UNLCK;
	fcntl(fd, F_SETLK, &lock);
	return error;
}

/* Best effort: whoever does not react keeps the lock, and we give up at the end of the wait. */
static void shut_redis_down(const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(socket_path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	static const char command[] = "SHUTDOWN\r\n";
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, command, sizeof(command) - 1, MSG_NOSIGNAL) > 0)
		log_notice("state_dir: an embedded redis without its supervisor still answers on "
			   "%s, told it to shut down",
			   socket_path);
	close(fd);
}

/* -EAGAIN: still taken after the whole wait; *ret_holder is the supervisor that has it, 0: unknown.
 */
static int wait_for_lock(int fd, const char *path, const char *redis_socket, pid_t *ret_holder)
{
	int64_t start_ms = clock_monotonic_ms();
	bool told = false, shut_down = false;
	for (;;) {
		int error = try_lock(fd);
		if (error != -EAGAIN)
			return error;
		int64_t waited_ms = clock_monotonic_ms() - start_ms;
		pid_t holder = lock_holder(fd);
		*ret_holder = holder;
		if (waited_ms >= STATE_DIR_LOCK_WAIT_MS)
			return -EAGAIN;
		if (!told && holder)
			log_notice("state_dir %s: used by process %d, waiting up to %d s for it to "
				   "end",
				   path, (int)holder, STATE_DIR_LOCK_WAIT_MS / 1000);
		else if (!told)
			log_notice("state_dir %s: the embedded redis of a former run is still "
				   "ending, waiting for it",
				   path);
		told = true;
		if (!holder && !shut_down && waited_ms >= STATE_DIR_SHUTDOWN_AFTER_MS) {
			shut_redis_down(redis_socket);
			shut_down = true;
		}
		usleep(POLL_MS * 1000);
	}
}

int state_dir_lock(const char *path, const char *redis_socket, int *ret_fd, char *ret_error,
		   size_t error_len)
{
	int fd = -1;
	int error = check_directory(path);
	bool is_checked = !error;
	if (!error)
		error = open_lock_file(path, &fd);
	if (error == -ELOOP && is_checked) /* O_NOFOLLOW */
		snprintf(ret_error, error_len,
			 "state_dir %s: the file lock in it is a symbolic link", path);
	else if (error)
		describe(path, error, ret_error, error_len);
	if (error)
		return error;
	pid_t holder = 0;
	error = wait_for_lock(fd, path, redis_socket, &holder);
	if (!error) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	if (error == -EAGAIN && holder)
		snprintf(ret_error, error_len, "state_dir %s: already used by process %d", path,
			 (int)holder);
	else if (error == -EAGAIN)
		snprintf(ret_error, error_len,
			 "state_dir %s: a former embedded redis still holds %s/lock", path, path);
	else
		snprintf(ret_error, error_len, "state_dir %s: lock: %s", path, strerror(-error));
	return error;
}
