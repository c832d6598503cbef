// process.js: one child process: its output, its end, and that it never outlives the test.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DEADLINE_MS, within } from './wait.js';

const OUTPUT_MAX = 4 << 20;
const running = new Set();
const directories = new Set();

// The last resort: tests stop what they start, but a failed one, or a test runner that ends us, must leave nothing behind.
process.on('exit', () => {
	for (const child of running) child.kill('SIGKILL');
	for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => process.exit(1));

export function makeDirectory(name = 'syncdoc') {
	const directory = fs.mkdtempSync(path.join(os.tmpdir(), `${name}-e2e-`));
	directories.add(directory);
	return directory;
}

export class Process {
	constructor(command, args, options = {}) {
		this.name = path.basename(command);
		this.stdout = '';
		this.stderr = '';
		this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
		running.add(this);
		for (const stream of ['stdout', 'stderr']) {
			this.child[stream].setEncoding('utf8');
			this.child[stream].on('data', text => {
				this[stream] = (this[stream] + text).slice(-OUTPUT_MAX);
			});
		}
		this.exited = new Promise(resolve => {
			const ends = end => {
				this.end = end;
				running.delete(this);
				// What it wrote lies in the pipes: two turns of the loop, so that one of them reads it all.
				setImmediate(() => setImmediate(() => resolve(end)));
			};
			this.child.on('error', error => ends({ error }));
			// `exit`, not `close`: grandchildren may hold the pipes a little longer.
			this.child.on('exit', (code, signal) => ends({ code, signal }));
		});
		this.closed = new Promise(resolve => this.child.on('close', resolve));
	}

	get pid() {
		return this.child.pid;
	}

	kill(signal) {
		if (!this.end && this.pid) process.kill(this.pid, signal);
	}

	async waitForExit(deadlineMs = DEADLINE_MS) {
		const end = await within(
			this.exited,
			deadlineMs,
			() => `end of ${this.name}; its last words: ${this.stderr.slice(-2000)}`,
		);
		if (end.error) throw end.error;
		return end;
	}

	async kill9() {
		this.kill('SIGKILL');
		return this.waitForExit();
	}
}

// Runs to its end; for `syncdocd -t` and starts that must fail.
export async function run(command, args, options = {}) {
	const { deadlineMs, ...rest } = options;
	const child = new Process(command, args, rest);
	try {
		const end = await child.waitForExit(deadlineMs);
		await within(child.closed, DEADLINE_MS, 'end of its output');
		return { ...end, stdout: child.stdout, stderr: child.stderr };
	} finally {
		child.kill('SIGKILL');
	}
}

// Living children of a process: [{pid, command}].
export function childrenOf(parent) {
	const children = [];
	for (const name of fs.readdirSync('/proc')) {
		if (!/^\d+$/.test(name)) continue;
		try {
			const stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
			const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
			if (Number(fields[1]) !== parent || fields[0] === 'Z') continue;
			const command = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
			children.push({ pid: Number(name), command });
		} catch {
			// it ended while we were looking
		}
	}
	return children;
}

export function isAlive(pid) {
	try {
		const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
		return stat[stat.lastIndexOf(')') + 2] !== 'Z';
	} catch {
		return false;
	}
}
