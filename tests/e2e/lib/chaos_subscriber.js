// chaos_subscriber.js: what the subscribers of chaos.mjs have in common, whatever they are made of: what they want, what they hold, and what
// they say of themselves.
export const SERVICE = 'chaos';
const PROTOCOL_CODES = [1002, 1003, 1007, 1008, 1009]; // closing with them says that one side is at fault

const MODES = ['full', 'diff', 'both'];
const LOG_MAX = 12;

export class ChaosSubscriber {
	// ids: the documents it wants; wide: all of the service by one subscription. see(id, revision, updatedAt, tag) is told each event
	// and each document read; fault(text) what is wrong; tally counts.
	constructor(kind, { index, ids, wide, random, see, fault, tally }) {
		Object.assign(this, { index, ids, wide, random, see, tally });
		this.fault = text => fault(`${kind} ${index}${wide ? ' (wide)' : ''}: ${text}`);
		this.mode = MODES[index % MODES.length];
		this.home = wide ? random.pick(ids) : ids[0]; // where it is present
		this.held = new Map(); // id → {revision, updatedAt, data, …}
		this.stale = new Map(); // id → {asked, events}: being read; what comes meanwhile waits
		this.joined = false; // presence
		this.log = []; // its last messages but events, for reports
	}

	note(text) {
		this.log.push(`${new Date().toISOString().slice(14, 23)} ${text.slice(0, 200)}`);
		if (this.log.length > LOG_MAX) this.log.shift();
	}

	countClose(code) {
		this.tally.closes.set(code, (this.tally.closes.get(code) ?? 0) + 1);
		if (PROTOCOL_CODES.includes(code)) this.fault(`closed with ${code}`);
	}

	// What is not there yet of {id → envelope}; empty: all is there.
	missing(finals) {
		if (!this.joined) return 'has not joined presence';
		const late = this.ids.find(id => this.stale.has(id) || this.held.get(id)?.revision !== finals.get(id).revision);
		return late && `${late}: ${this.stale.has(late) ? 'being read, ' : ''}revision ${this.held.get(late)?.revision} of ${finals.get(late).revision}; ${this.log.join('; ')}`;
	}

	drop() {
		this.socket?.terminate();
	}
}
