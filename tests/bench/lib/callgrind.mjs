// callgrind.mjs: a syncdocd under valgrind, and the instructions that its processes have executed when they have ended.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Daemon, Process, Redis, SYNCDOCD, childrenOf, freePort, makeDirectory } from '../../e2e/harness.js';

export function hasValgrind() {
	try {
		execFileSync('valgrind', ['--version'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
}

class WatchedDaemon extends Daemon {
	async start() {
		this.port = await freePort();
		const options = ['--tool=callgrind', `--callgrind-out-file=${this.directory}/callgrind.%p`, '--dump-line=no'];
		this.process = new Process('valgrind', [...options, SYNCDOCD, ...this.arguments()]);
		this.rest = this.client();
		await this.waitUntilReady();
		this.worker = childrenOf(this.pid)[0].pid;
		return this;
	}
}

// Self cost by object (program or library), without the libraries' versions: {syncdocd: 123, 'libc.so': 45, …}.
export function costByObject(text) {
	const names = new Map(),
		costs = {};
	let object = '?',
		isCallCost = false;
	for (const line of text.split('\n')) {
		if (line.startsWith('ob=')) {
			const [, number, name] = /^ob=(\(\d+\))(?: (.*))?$/.exec(line);
			if (name) names.set(number, path.basename(name).replace(/\.so.*/, '.so'));
			object = names.get(number);
		} else if (line.startsWith('cob=')) {
			const [, number, name] = /^cob=(\(\d+\))(?: (.*))?$/.exec(line);
			if (name) names.set(number, path.basename(name).replace(/\.so.*/, '.so'));
		} else if (line.startsWith('calls=')) isCallCost = true;
		else if (/^[-+*\d]/.test(line)) {
			if (!isCallCost) costs[object] = (costs[object] ?? 0) + Number(line.split(' ')[1]);
			isCallCost = false;
		}
	}
	return costs;
}

// Starts a server, lets `work(server)` use it, ends it: {supervisor, worker}, each by object.
export async function countInstructions(settings, work, keepIn = null) {
	const redis = await Redis.start();
	try {
		const daemon = new WatchedDaemon({ redis, directory: keepIn ?? makeDirectory('callgrind'), settings });
		await daemon.start();
		try {
			await work(daemon);
		} finally {
			await daemon.stop({ code: null });
		}
		const costs = pid => costByObject(fs.readFileSync(path.join(daemon.directory, `callgrind.${pid}`), 'latin1'));
		return { supervisor: costs(daemon.pid), worker: costs(daemon.worker) };
	} finally {
		await redis.stop();
	}
}
