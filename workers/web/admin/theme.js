// theme.js: light or dark, before the first paint: loaded in the head, not as a module. The switch is in shell.js.
(() => {
	const KEY = 'syncdoc.theme';
	let stored = null;
	try {
		stored = localStorage.getItem(KEY);
	} catch {
		// no storage (private window): as the system says
	}
	if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
})();
