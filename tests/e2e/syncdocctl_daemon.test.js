// syncdocctl_daemon.test.js: the verbs for the daemon itself: status, top, loglevel, reload, drain; and who may.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Daemon, documentPath, isAlive, makeDirectory, run, until } from './harness.js';
import { EXIT, SYNCDOCCTL, ctl, useCtl } from './lib/ctl.js';

const { DONE, FAILED, USAGE, NOT_FOUND, UNREACHABLE, FORBIDDEN } = EXIT;

const site = useCtl();
const { ok, refused } = site;

describe('the daemon', () => {
	test('status for people and as JSON', async () => {
		const { stdout } = await ok('status');
		assert.match(stdout, new RegExp(`^syncdocd \\S+ on \\S+, pid ${site.daemon.pid}, running for `));
		assert.match(stdout, /^redis +unix:\/\/\S+, ready, subscription ready/m);
		assert.match(stdout, /^position +[0-9a-f]{8}-\d+, \d+ m?s ago$/m);
		for (const worker of site.daemon.workers()) assert.match(stdout, new RegExp(`^ +\\d +${worker.pid} +\\d+ +\\d+ +serving `, 'm'));
		assert.equal((await ok('status', '--json')).json.pid, site.daemon.pid);
	});

	test('top shows what happens, per worker and together', async () => {
		const writer = setInterval(() => site.daemon.rest.put(documentPath('top', 'x'), { data: {} }).catch(() => {}), 5);
		// Of an interval in which the machine let somebody write.
		const json = await until(async () => {
			const one = (await ok('top', '--once', '--json', '--interval', '0.5')).json;
			return one.total.writesPerSecond > 0 && one;
		});
		const table = await ok('top', '--once', '--interval', '0.3');
		// Workers look at their processor time once a second.
		const busy = await until(async () => {
			const { total } = (await ok('top', '--once', '--json', '--interval', '1')).json;
			return total.cpuPercent > 0 && total;
		});
		clearInterval(writer);
		assert.ok(busy.cpuPercent < 1000, String(busy.cpuPercent));
		assert.ok(json.intervalMs >= 400, JSON.stringify(json.total));
		assert.equal(json.workers.length, 2);
		for (const worker of json.workers) assert.ok('writes_total' in worker.counters);
		const sum = json.workers.reduce((total, worker) => total + worker.writesPerSecond, 0);
		assert.ok(Math.abs(sum - json.total.writesPerSecond) < 1);
		assert.match(table.stdout, /^WORKER +PID +CONNS +SUBS +CPU % +REQ\/S .* WRITE\/S .* RING LAG$/m);
		assert.match(table.stdout, /^all +\d+ /m);
		assert.equal((await ok('top', '--json', '--interval', '0.1', '--count', 3)).lines.length, 3);
	});

	test('loglevel, reload, drain', async () => {
		assert.equal((await ok('loglevel')).stdout, 'info\n');
		assert.equal((await ok('loglevel', 'debug')).stdout, 'debug\n');
		assert.deepEqual((await ok('loglevel', 'info', '--json')).json, { level: 'info', former: 'debug' });
		await refused(USAGE, /must be error, warning/, 'loglevel', 'loud');
		const { generation } = (await ok('status', '--json')).json;
		assert.match((await ok('reload')).stdout, new RegExp(`^generation ${generation + 1} serves`));
		fs.writeFileSync(site.daemon.configFile, 'nonsense\n');
		await refused(FAILED, /syncdocd\.conf:1/, 'reload');
		fs.writeFileSync(site.daemon.configFile, '');
		const victim = (await ok('status', '--json')).json.workers.find(worker => worker.index === 1 && !worker.draining);
		assert.match((await ok('drain', 1, '--wait')).stdout, new RegExp(`process ${victim.pid} has drained and ended`));
		assert.equal(isAlive(victim.pid), false);
		await refused(NOT_FOUND, /numbered 0 to 1/, 'drain', 2);
	});
});

describe('another daemon', () => {
	test('drain all --wait returns when it has ended; then it is not reachable', async () => {
		const short = await Daemon.start({ redis: site.redis, settings: { workers: 2 } });
		const drained = await ctl(short, ['drain', 'all', '--wait']);
		assert.deepEqual([drained.code, drained.stdout], [DONE, 'ended\n'], drained.stderr);
		const end = await short.process.waitForExit();
		assert.equal(end.code, 0);
		assert.equal((await ctl(short, ['status'])).code, UNREACHABLE);
		await short.stop();
	});

	test('of another user: exit status 6, whether the file or the daemon refuses', async t => {
		if (process.getuid() !== 0) return t.skip('not root: no other user to be');
		const place = makeDirectory('ctl-user');
		const stateDir = path.join(place, 'state');
		fs.mkdirSync(stateDir);
		fs.chmodSync(place, 0o755);
		// A build under a home directory cannot be run by others; a copy can.
		const program = path.join(place, 'syncdocctl');
		fs.copyFileSync(SYNCDOCCTL, program);
		const other = await Daemon.start({ redis: site.redis, directory: place });
		try {
			fs.chmodSync(stateDir, 0o755);
			const socket = path.join(stateDir, 'control.sock');
			const asNobody = () => run(program, ['--socket', socket, 'status'], { uid: 65534, gid: 65534, cwd: '/' });
			const byFile = await asNobody();
			assert.equal(byFile.code, FORBIDDEN, byFile.stderr);
			assert.match(byFile.stderr, /Permission denied; it is for root and the daemon's own user/);
			fs.chmodSync(socket, 0o777);
			const byDaemon = await asNobody();
			assert.equal(byDaemon.code, FORBIDDEN, byDaemon.stderr);
			assert.match(byDaemon.stderr, /only root and the daemon's own user/);
		} finally {
			await other.stop();
		}
	});
});
