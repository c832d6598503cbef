// ctl.js: syncdocctl as tests run it.
import path from 'node:path';
import { Process, run } from './process.js';
import { SYNCDOCD, assertNoSanitizerReport, sanitizerEnvironment } from './daemon.js';
import { controlPath } from './control.js';
import { DEADLINE_MS, until, within } from './wait.js';

export const SYNCDOCCTL = path.join(path.dirname(SYNCDOCD), 'ctl/syncdocctl');

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
