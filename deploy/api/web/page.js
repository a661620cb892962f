// One form, one request, one answer. Everything that is shown is shown as text.
"use strict";

const byId = (id) => document.getElementById(id);
const [form, review, count, send, result, verdict, details, sure] =
  ["form", "review", "count", "send", "result", "verdict", "details", "sure"].map(byId);

// The address of the API is what the page's policy lets it reach: there it stands once.
const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]').content;
const address = policy.match(/connect-src ([^ ;]+)/)[1];
const longest = Number(form.dataset.longest);
const seconds = Number(form.dataset.seconds); // the API itself gives up after 30

const number = new Intl.NumberFormat("en");
const lengthOf = (text) => [...text].length;
let waiting = false;

function show(state, headline, more = "", share = null) {
  result.dataset.state = state;
  verdict.textContent = headline;
  details.textContent = more;
  sure.hidden = share === null;
  sure.value = share ?? 0;
}

function problem(headline, more = "Your review is still here.") {
  show("problem", headline, more);
}

// What is wrong with the text itself is said at once, and the cursor goes where it can be mended.
function refuse(headline, more) {
  problem(headline, more);
  review.setAttribute("aria-invalid", "true");
  review.focus();
}

function updateCount() {
  const length = lengthOf(review.value);
  const over = length - longest;
  count.textContent =
    over > 0
      ? `${number.format(over)} character${over === 1 ? "" : "s"} too many`
      : `${number.format(length)} of ${number.format(longest)} characters`;
  count.classList.toggle("over", over > 0);
  if (over <= 0) review.removeAttribute("aria-invalid");
}

function setWaiting(now) {
  waiting = now;
  // Not `disabled`: a button that vanishes from under the keyboard loses its place.
  send.setAttribute("aria-disabled", String(now));
  form.setAttribute("aria-busy", String(now));
}

async function ask(text) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "text/plain; charset=utf-8" },
    body: text,
    credentials: "omit",
    cache: "no-store",
    signal: AbortSignal.timeout(seconds * 1000),
  });
  // The gateway's own refusals are JSON of another form, a proxy's perhaps none at all.
  const content = await answer.json().catch((error) => {
    if (error.name === "TimeoutError") throw error;
    return {};
  });
  return { answer, content };
}

function showAnswer(judgement) {
  const { sentiment, probability } = judgement ?? {};
  if (!["positive", "negative"].includes(sentiment) || !(probability >= 0 && probability <= 1)) {
    problem("The answer could not be understood.", "This page and its API do not fit together.");
    return;
  }
  const percent = Math.min(99, Math.round(probability * 100)); // no model is ever certain
  const word = sentiment === "positive" ? "Positive" : "Negative";
  show(sentiment, word, `The model is ${percent}% sure.`, probability);
}

function showRefusal(answer, content) {
  const wait = Number(answer.headers.get("Retry-After"));
  const when = wait > 0 ? `Try again in ${wait} seconds.` : "Try again in a moment.";
  switch (answer.status) {
    case 400:
    case 422:
      return refuse("The model cannot judge this.", content?.msg ?? "Try other words.");
    case 413:
      return refuse("The review is too long for the model.", "Shorten it, and try again.");
    case 429:
    case 503:
      return problem("The model is busy.", `${when} Your review is still here.`);
    case 502:
      return problem("The model does not answer at the moment.", "Try again in a minute. Your review is still here.");
    case 504:
      return tookTooLong();
    default:
      return problem("Something went wrong on our side.", "It is not your review, which is still here.");
  }
}

function tookTooLong() {
  problem("The model took too long.", "It may have been asleep: try again. Your review is still here.");
}

function showFailure(error) {
  if (error.name === "TimeoutError") tookTooLong();
  else if (!navigator.onLine) problem("You are offline.", "Try again when you are connected. Your review is still here.");
  else problem("The service cannot be reached.", "Try again in a minute. Your review is still here.");
}

async function judge() {
  if (waiting) return;
  const text = review.value.trim();
  if (!text) return refuse("There is nothing to judge yet.", "Type a review first.");
  if (lengthOf(review.value) > longest) {
    return refuse("The review is too long.", `The model reads ${number.format(longest)} characters at most.`);
  }
  review.removeAttribute("aria-invalid");
  setWaiting(true);
  show("waiting", "The model is reading…");
  const patience = setTimeout(() => show("waiting", "The model is reading…", "It takes longer when it was asleep."), 4000);
  try {
    const { answer, content } = await ask(text);
    if (answer.ok) showAnswer(content?.body);
    else showRefusal(answer, content);
  } catch (error) {
    showFailure(error);
  } finally {
    clearTimeout(patience);
    setWaiting(false);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  judge();
});
review.addEventListener("input", updateCount);
review.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
updateCount();
