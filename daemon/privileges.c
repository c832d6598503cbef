/* privileges.c — see privileges.h. */
#define _GNU_SOURCE
#include "privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int lookup_user(const char *name, struct privileges *ret, char *ret_error, size_t error_len)
{
	errno = 0;
	const struct passwd *entry = getpwnam(name);
	if (!entry) {
		/* getpwnam() may say ENOENT and the like for a name that is just not there. */
		snprintf(ret_error, error_len, "user %s: there is no such user", name);
		return -EINVAL;
	}
	ret->user = name;
	ret->uid = entry->pw_uid;
	ret->gid = entry->pw_gid;
	return 0;
}

static int lookup_group(const char *name, struct privileges *ret, char *ret_error, size_t error_len)
{
	const struct group *entry = getgrnam(name);
	if (!entry) {
		snprintf(ret_error, error_len, "group %s: there is no such group", name);
		return -EINVAL;
	}
	ret->gid = entry->gr_gid;
	return 0;
}

int privileges_lookup(const struct config *config, struct privileges *ret, char *ret_error,
		      size_t error_len)
{
	struct privileges found = {.user = NULL, .uid = (uid_t)-1, .gid = (gid_t)-1};
	int error = 0;
	if (*config->user)
		error = lookup_user(config->user, &found, ret_error, error_len);
	if (!error && *config->group)
		error = lookup_group(config->group, &found, ret_error, error_len);
	if (error)
		return error;
	if (geteuid() != 0) {
		bool user_fits = !*config->user || found.uid == geteuid();
		bool group_fits = found.gid == (gid_t)-1 || found.gid == getegid();
		if (!user_fits || !group_fits) {
			snprintf(ret_error, error_len, "%s %s: only root can become another %s",
				 user_fits ? "group" : "user",
				 user_fits ? config->group : config->user,
				 user_fits ? "group" : "user");
			return -EPERM;
		}
		found = (struct privileges){.user = NULL, .uid = (uid_t)-1, .gid = (gid_t)-1};
	}
	*ret = found;
	return 0;
}

/* They need root, and root's own must not stay. */
static int change_supplementary_groups(const struct privileges *privileges)
{
	return privileges->user ? initgroups(privileges->user, privileges->gid)
				: setgroups(1, &privileges->gid);
}

static int refuse_change(const struct privileges *privileges, int error, char *ret_error,
			 size_t error_len)
{
	snprintf(ret_error, error_len, "user %s: cannot drop privileges: %s",
		 privileges->user ? privileges->user : "(unchanged)", strerror(-error));
	return error;
}

int privileges_lend(const struct privileges *privileges, char *ret_error, size_t error_len)
{
	bool has_group = privileges->gid != (gid_t)-1, has_user = privileges->uid != (uid_t)-1;

	if ((!has_group ||
	     (change_supplementary_groups(privileges) == 0 && setegid(privileges->gid) == 0)) &&
	    (!has_user || seteuid(privileges->uid) == 0))
		return 0;
	return refuse_change(privileges, -errno, ret_error, error_len);
}

void privileges_take_back(const struct privileges *privileges)
{
	/* There is somebody to become only where we are root: see privileges_lookup(). */
	if (privileges->uid != (uid_t)-1)
		MUST(seteuid(0) == 0);
	if (privileges->gid != (gid_t)-1)
		MUST(setegid(getgid()) == 0);
}

static int change_groups(const struct privileges *privileges)
{
	if (privileges->gid == (gid_t)-1)
		return 0;
	if (change_supplementary_groups(privileges) < 0 ||
	    setresgid(privileges->gid, privileges->gid, privileges->gid) < 0)
		return -errno;
	return 0;
}

static int change_user(const struct privileges *privileges)
{
	if (privileges->uid == (uid_t)-1)
		return 0;
	if (setresuid(privileges->uid, privileges->uid, privileges->uid) < 0)
		return -errno;
	uid_t real, effective, saved;
	if (getresuid(&real, &effective, &saved) < 0)
		return -errno;
	bool changed =
		real == privileges->uid && effective == privileges->uid && saved == privileges->uid;
	if (!changed || (privileges->uid != 0 && setuid(0) == 0))
		return -EPERM;
	return 0;
}

int privileges_drop(const struct privileges *privileges, char *ret_error, size_t error_len)
{
	int error = change_groups(privileges);
	if (!error)
		error = change_user(privileges);
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	return error ? refuse_change(privileges, error, ret_error, error_len) : 0;
}

unsigned long long privileges_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &raised) < 0)
		return limit.rlim_cur;
	return raised.rlim_cur;
}
