// Keeps the status page live: fetches it again every few seconds and puts in what has changed, so
// that scrolling, selected text and a screen reader's place stay as they are. Without this script
// the page reloads by itself.
const period = 1_000 * Number(document.currentScript.dataset.period);
const freshness = document.getElementById('freshness');
const says = freshness.querySelector('span:not(.mark)');
let timer;

async function fetchPage() {
  // Not location.href: it may hold credentials, which fetch refuses.
  const url = new URL(location.pathname, location.origin);
  const signal = AbortSignal.timeout(4 * period);
  const response = await fetch(url, { cache: 'no-store', signal });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}

function putIn(page) {
  for (const old of document.querySelectorAll('[data-live]')) {
    const fresh = page.getElementById(old.id);
    if (fresh === null || fresh.isEqualNode(old)) continue;
    for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
    old.replaceChildren(...fresh.childNodes);
  }
  const icon = 'link[rel=icon]';
  document.querySelector(icon).href = page.querySelector(icon).href;
  document.title = page.title;
}

function say(tone, words) {
  freshness.dataset.tone = tone;
  if (says.textContent !== words) says.textContent = words;
}

async function refresh() {
  clearTimeout(timer);
  try {
    putIn(await fetchPage());
    say('good', 'Live');
  } catch {
    say('bad', 'Not live, the service does not answer; as of');
  }
  if (!document.hidden) timer = setTimeout(refresh, period);
}

say('good', 'Live');
timer = setTimeout(refresh, period);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else void refresh();
});
