// ctl.js: syncdocctl as tests run it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before } from 'node:test';
import { Process, makeDirectory, run } from './process.js';
import { SYNCDOCD, assertNoSanitizerReport, sanitizerEnvironment, startPair } from './daemon.js';
import { controlPath } from './control.js';
import { DEADLINE_MS, until, within } from './wait.js';

export const SYNCDOCCTL = path.join(path.dirname(SYNCDOCD), 'ctl/syncdocctl');

// As its manual page has them.
export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, NOT_FOUND: 3, CONFLICT: 4, UNREACHABLE: 5, FORBIDDEN: 6, UNAVAILABLE: 7 };

function environment(daemon, extra = {}) {
	const { SYNCDOC_TOKEN, SYNCDOC_URL, SYNCDOC_SOCKET, ...rest } = sanitizerEnvironment;
	return {
		...rest,
		...(daemon && { SYNCDOC_URL: daemon.url, SYNCDOC_SOCKET: controlPath(daemon) }),
		TZ: 'UTC',
		...extra,
	};
}

// A run to its end: {code, stdout, stderr, json (of the first line), lines (of JSON)}. `input` goes to standard input.
export async function ctl(daemon, args, { env, input, deadlineMs = 60000 } = {}) {
	const options = { env: environment(daemon, env), deadlineMs };
	let end;
	if (input === undefined) {
		end = await run(SYNCDOCCTL, args.map(String), options);
	} else {
		const child = new Process(SYNCDOCCTL, args.map(String), { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
		child.child.stdin.on('error', () => {});
		child.child.stdin.end(input);
		end = await child.waitForExit(deadlineMs);
		await within(child.closed, DEADLINE_MS, 'end of its output');
		end = { ...end, stdout: child.stdout, stderr: child.stderr };
	}
	assertNoSanitizerReport(end.stderr);
	return {
		...end,
		get json() {
			return JSON.parse(end.stdout.split('\n')[0]);
		},
		get lines() {
			return end.stdout
				.split('\n')
				.filter(Boolean)
				.map(line => JSON.parse(line));
		},
	};
}

// For a file of tests: a pair and a directory, there from its `before` on, and runs against that daemon.
export function useCtl() {
	const site = {
		call: (...args) => ctl(site.daemon, args),
		// All that must hold of a run that does what it is asked for,
		async ok(...args) {
			const end = await site.call(...args);
			assert.equal(end.code, EXIT.DONE, `${args.join(' ')}: ${end.stderr}`);
			assert.equal(end.stderr, '', args.join(' '));
			return end;
		},
		// and of one that is refused.
		async refused(code, pattern, ...args) {
			const end = await site.call(...args);
			assert.equal(end.code, code, `${args.join(' ')}: ${end.stdout}${end.stderr}`);
			assert.match(end.stderr, pattern, args.join(' '));
			assert.equal(end.stdout, '', args.join(' '));
			return end;
		},
	};
	before(async () => {
		site.directory = makeDirectory('ctl');
		Object.assign(site, await startPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000 }, socket: true }));
	});
	after(() => site.stop?.());
	return site;
}

// One that goes on: watch, top.
export class Ctl extends Process {
	constructor(daemon, args, { env } = {}) {
		super(SYNCDOCCTL, args.map(String), { env: environment(daemon, env) });
	}

	get lines() {
		const whole = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1);
		return whole
			.split('\n')
			.filter(Boolean)
			.map(line => JSON.parse(line));
	}

	says(text, deadlineMs = DEADLINE_MS) {
		return until(
			() => this.stderr.includes(text) || (this.end && assertEnded(this)),
			deadlineMs,
			() => `stderr says "${text}"; it says: ${this.stderr}`,
		);
	}

	async finish() {
		const end = await this.waitForExit();
		await within(this.closed, DEADLINE_MS, 'end of its output');
		assertNoSanitizerReport(this.stderr);
		return end;
	}
}

function assertEnded(child) {
	throw new Error(`it ended: ${JSON.stringify(child.end)}: ${child.stderr}`);
}
