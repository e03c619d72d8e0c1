// The views. Each is {title, load(context) -> data, show(data, context) -> nodes}; page.js loads and shows them again
// when the federation has moved on.

import { accuracy, asTable, heat, legend, stacked } from "./charts.js";
import { amount, ask, card, clock, empty, h, lasting, pages, percent, plural, points, short, table } from "./dom.js";
import { check, hex } from "./proof.js";

/** Rounds listed at a time; more on demand. */
const ROUNDS_SHOWN = 25;
/** Rounds across the heat map of weights. */
const WEIGHT_ROUNDS = 16;
/** Companies drawn one by one in a chart; a table lists them all. */
const LINES = 8;

const name = (people, number) => people.find((person) => person.number === number)?.name ?? `participant ${number}`;
const ownerName = (people, number) => people.find((person) => person.owner === number)?.owner_name ?? `owner ${number}`;
const lastPage = (count) => Math.max(0, Math.ceil(count / 64) - 1);
const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const WORDS = {
  founding: "Waiting for every founder to join and sign", resting: "Between two rounds", finished: "All rounds are done",
  seating: "Drawing the committee", contributing: "Companies train and send encrypted updates", closing: "The committee closes the round",
  answering: "The committee checks updates it cannot read", judging: "The committee agrees on what is accepted", rating: "Companies rate contributions",
  opening: "The committee opens the key of the sum", publishing: "The new model is signed", voiding: "The round is declared void",
};

/** When what is under way should be over, in words. */
function until(progress) {
  if (progress.round_eta_ms) return `over in about ${lasting(progress.round_eta_ms - progress.as_of_ms)}`;
  if (!progress.round) return null;
  const { contribute_by_ms, open_by_ms } = progress.round;
  const due = progress.phase === "contributing" ? contribute_by_ms : open_by_ms;
  return due > progress.as_of_ms ? `${progress.phase === "contributing" ? "contributions until" : "at the latest"} ${clock(due)}` : "past its deadline: it is void unless its committee finishes it";
}

/** Each company's figures: [{number, name, alone, shared, points}] of who published some. */
function figures(evaluations, people) {
  const by = new Map();
  for (const { round, evaluations: shown } of evaluations) {
    for (const one of shown) {
      const of = by.get(one.participant) ?? { number: one.participant, name: name(people, one.participant), shared: [], alone: [] };
      of.shared.push([round, one.shared_accuracy]);
      if (one.alone_accuracy !== null) of.alone.push([round, one.alone_accuracy]);
      by.set(one.participant, of);
    }
  }
  return [...by.values()].sort((a, b) => a.number - b.number);
}

const overview = {
  title: "Overview",
  async load({ progress }) {
    const rounds = progress.published + progress.voided;
    return {
      people: await ask("/v1/participants"),
      evaluations: progress.evaluations ? await pages("evaluations", Math.floor(rounds / 64)) : [],
    };
  },
  show({ people, evaluations }, { progress }) {
    const companies = figures(evaluations, people);
    const planned = progress.rounds_planned;
    const under = progress.round?.round ?? progress.published + progress.voided;
    const withAlone = companies.filter((company) => company.alone.length);
    const newest = evaluations.at(-1);
    const sharedNow = newest && median(newest.evaluations.map((one) => one.shared_accuracy));
    const best = withAlone.length ? Math.max(...withAlone.map((company) => company.alone.at(-1)[1])) : null;
    const facts = h("dl", { class: "facts" },
      h("div", { class: "fact" }, h("dt", {}, progress.round ? "Round under way" : "Rounds done"),
        h("dd", { id: "round" }, progress.round ? under : progress.published, planned ? h("span", { class: "quiet" }, ` of ${planned}`) : null),
        h("dd", { class: "sub" }, [until(progress), progress.end_eta_ms && `all rounds in about ${lasting(progress.end_eta_ms - progress.as_of_ms)}`].filter(Boolean).join("; ") || (progress.phase === "finished" ? "The model is trained and served." : "")),
        planned ? h("dd", { class: "sub" }, h("progress", { max: planned, value: progress.published, "aria-label": "Rounds published of those planned" })) : null),
      h("div", { class: "fact" }, h("dt", {}, "Accuracy of the shared model"),
        h("dd", {}, sharedNow === undefined ? "–" : percent(sharedNow)),
        h("dd", { class: "sub" }, newest ? `median of ${plural(newest.evaluations.length, "company", "companies")} after round ${newest.round}` : "no company has published its figures")),
      h("div", { class: "fact" }, h("dt", {}, "Best company alone"),
        h("dd", {}, best === null ? "–" : percent(best)),
        h("dd", { class: "sub" }, best === null || sharedNow === undefined ? "trained on its own data only" : [h("span", { class: sharedNow >= best ? "gain" : "" }, `${points(sharedNow - best)} points`), " gained by training together"])),
      h("div", { class: "fact" }, h("dt", {}, "Companies connected"),
        h("dd", {}, progress.connected, h("span", { class: "quiet" }, ` of ${progress.participants}`)),
        h("dd", { class: "sub" }, progress.round && progress.phase === "contributing" ? `${progress.round.contributed} contributed, ${progress.cohort} owners needed` : `${amount(progress.ledger_entries)} ledger entries`)));
    return [h("h1", {}, progress.name), h("p", { class: "lead" }, WORDS[progress.phase] ?? progress.phase, "."), facts, gains(companies, progress)];
  },
};

function gains(companies, progress) {
  const title = "What each company gains";
  const words = "Every company measures on its own test rows, on its own machine; here are the two numbers that it chose to publish. The coordinator cannot check them, and they are not on the ledger.";
  if (!companies.length) {
    return card(title, null, progress.published
      ? empty("No company has published its accuracy.", "Companies measure on their own machines; unsilo participate shows each its own. One that sets publish = true under [evaluation] of its configuration shows both numbers here.")
      : empty("No round is over yet.", "The first model brings the first figures."));
  }
  const rounds = [...new Set(companies.flatMap((company) => company.shared.map(([round]) => round)))].sort((a, b) => a - b);
  const shared = rounds.map((round) => [round, median(companies.flatMap((company) => company.shared.filter(([of]) => of === round).map(([, value]) => value)))]);
  const alone = companies.filter((company) => company.alone.length).slice(0, LINES)
    .map((company) => ({ name: company.name, points: flat(company.alone) }));
  const last = (list) => list.at(-1)?.[1];
  return [
    card("Shared model and each company alone", words,
      accuracy(shared, alone, `Accuracy over ${plural(rounds.length, "round")}: the shared model reaches ${percent(shared.at(-1)[1])}`),
      asTable("Accuracy of the shared model by round", [["Round"], ["Median", true], ...companies.map((company) => [company.name, true])],
        rounds.map((round, i) => [round, percent(shared[i][1]), ...companies.map((company) => { const found = company.shared.find(([of]) => of === round); return found ? percent(found[1]) : "–"; })]))),
    card(title, "The bar is the shared model, the mark is the company alone.",
      table("Accuracy alone and shared by company", [["Company"], ["Alone", true], ["Shared", true], ["Gain, points", true], ["Alone to shared"]],
        companies.map((company) => {
          const [with_, without] = [last(company.shared), last(company.alone)];
          return [company.name, without === undefined ? "–" : percent(without), percent(with_),
            without === undefined ? "–" : h("strong", { class: with_ >= without ? "gain" : "" }, points(with_ - without)),
            h("div", { class: "meter", vars: { to: with_, from: without ?? 0 } }, h("i", {}), without === undefined ? null : h("b", {}))];
        }))),
  ];
}

/** A line that never changes is one value. */
const flat = (line) => (line.every(([, value]) => value === line[0][1]) ? [line.at(-1)] : line);

const rounds = {
  title: "Rounds",
  load: async ({ progress }) => ({ people: await ask("/v1/participants"), list: await pages("rounds", lastPage(progress.rounds_listed)) }),
  show({ people, list }, { progress, more }) {
    const now = progress.round && card(`Round ${progress.round.round} is under way`, `${WORDS[progress.phase] ?? progress.phase}${until(progress) ? `; ${until(progress)}` : ""}.`,
      h("dl", { class: "pairs" },
        h("dt", {}, "Contributions"), h("dd", {}, `${progress.round.contributed} so far; ${plural(progress.cohort, "owner")} at least`),
        h("dt", {}, "Committee"), h("dd", {}, `${plural(progress.round.seats, "seat")}; ${progress.round.threshold} must act`),
        h("dt", {}, "Deadlines"), h("dd", {}, `contributions ${clock(progress.round.contribute_by_ms)}, close ${clock(progress.round.close_by_ms)}, sum opened ${clock(progress.round.open_by_ms)}`)));
    const shown = list.slice(-more(ROUNDS_SHOWN)).reverse();
    return [
      h("h1", {}, "Rounds"),
      h("p", { class: "lead" }, "A round ends with a new model, or void: then its contributions count for nothing and the next one begins. ",
        progress.round_ms ? `A round takes about ${lasting(progress.round_ms)} here.` : ""),
      now,
      card("Rounds that are over", null, list.length ? [
        table("Rounds that are over, newest first",
          [["Round"], ["Outcome"], ["Contributions", true], ["Accepted", true], ["Rated by", true], ["Ended"], ["Ledger entry", true], ["Model"]],
          shown.map((round) => [round.round,
            h("span", { class: `tag ${round.outcome === "void" ? "warm" : "good"}` }, round.outcome === "published" ? "model published" : round.outcome === "measured" ? "data measured" : `void: ${round.reason ?? "no reason"}`),
            round.contributions, [round.accepted ?? "–", round.rejected.length ? h("div", { class: "quiet" }, round.rejected.map((one) => `${name(people, one.participant)}: ${one.reason}`).join("; ")) : null],
            round.raters, round.ended_ms ? clock(round.ended_ms) : h("span", { class: "quiet" }, "before this start"),
            round.entry === null ? "–" : h("a", { href: `#/ledger/${round.entry}` }, round.entry), h("span", { class: "hash", title: round.model ?? "" }, short(round.model))])),
        list.length > shown.length && h("p", {}, h("button", { id: "more", on: { click: () => more(ROUNDS_SHOWN, true) } }, "Show older rounds")),
      ] : empty("No round is over yet.", progress.phase === "founding" ? "The first one opens when every founder has joined and signed." : "The first one is under way.")),
    ];
  },
};

const participants = {
  title: "Participants",
  load: async () => ({ people: await ask("/v1/participants") }),
  show({ people }, { progress }) {
    const paid = people.some((person) => person.incentive !== null);
    const share = (value) => (value === null ? "–" : percent(value));
    return [
      h("h1", {}, "Participants"),
      h("p", { class: "lead" }, "Stake gives power, at most a fair cap of it. Trust is how far a company's own ratings agreed with the consensus, and begins in full; consensus is what most of the others' power says a company's contributions are worth; incentive is what it was paid for the last epoch."),
      card(`${plural(people.filter((person) => person.present).length, "participant")}, ${plural(progress.owners, "owner")}`,
        paid ? null : "Trust, consensus and incentive begin with the first settled epoch" + (progress.epoch ? `: ${progress.epoch.rounds} of ${progress.epoch.of} rounds of it are done.` : "."),
        people.length ? table("Participants", [["Company"], ["State"], ["Stake", true], ["Power", true], ["Trust", true], ["Consensus", true], ["Incentive", true], ["Balance", true]],
          people.map((person) => [[person.name, person.owner_participants > 1 ? h("div", { class: "quiet" }, `of ${person.owner_name}`) : null],
            state(person), amount(person.stake), percent(person.power), share(person.trust), share(person.consensus),
            person.incentive === null ? "–" : amount(person.incentive), amount(person.balance)]))
          : empty("Nobody yet.", "The federation begins when every founder has joined and signed. unsilo join and unsilo participate do that.")),
    ];
  },
};

function state(person) {
  if (!person.present) return h("span", { class: "tag bad" }, "evicted");
  return [h("span", { class: person.connected ? "tag good" : "tag warm" }, person.connected ? "connected" : "away"),
    person.seated ? [" ", h("span", { class: "tag" }, "on the committee")] : null,
    person.contributed ? [" ", h("span", { class: "tag" }, "contributed")] : null,
    person.faults ? [" ", h("span", { class: "tag bad" }, plural(person.faults, "fault"))] : null];
}

const KINDS = {
  rewards: ["Ratings", "Row: who rates. Column: who is rated. How a rater would split the reward between the others, as it revealed it last."],
  scores: ["Scores", "Row: who rates. Column: who is rated. How well a contribution fits what the rater's held-out rows ask for; scores decide the weights."],
  smoothed: ["Smoothed ratings", "The ratings averaged over epochs, as the last settlement used them."],
  trust: ["Trust", "How far each row supports the consensus about each column."],
};

const weights = {
  title: "Weights",
  load: async ({ progress }) => {
    const last = lastPage(progress.rounds_listed);
    return {
      people: await ask("/v1/participants"), ratings: await ask("/v1/ratings"), newest: (await ask("/v1/status")).weighed,
      list: (await pages("rounds", last)).slice(-WEIGHT_ROUNDS),
    };
  },
  show({ people, ratings, newest, list }, { choice }) {
    const weighed = list.filter((round) => round.weights.length);
    const members = [...new Set(weighed.flatMap((round) => round.weights.map(([participant]) => participant)))].sort((a, b) => a - b);
    const cells = members.map((participant) => weighed.map((round) => {
      const total = round.weights.reduce((sum, [, weight]) => sum + weight, 0);
      const found = round.weights.find(([of]) => of === participant);
      return found ? { v: found[1] / total, text: percent(found[1] / total, 0) } : { v: null, text: "–" };
    }));
    return [
      h("h1", {}, "Weights"),
      h("p", { class: "lead" }, "How much each contribution counts in the sum, and the ratings that this follows from. A committed rating cannot be changed once others are seen; the median of the raters' power decides, so that a minority moves nothing by itself."),
      card("Weight of each contribution", "Its share of the round's sum.", weighed.length
        ? heat("Share of each company's contribution in the sum, by round", "Company, round", members.map((member) => name(people, member)), weighed.map((round) => round.round), scaled(cells))
        : empty("No round has been weighed yet.")),
      newest ? reasons(newest) : null,
      matrix(ratings, people, choice),
    ];
  },
};

/** The newest weighed round in words: who counts how much, and why some not at all. */
function reasons({ round, raters, raters_agreeing: agreeing, contributions, void: ends }) {
  const heard = raters === null ? "" : `${agreeing} of ${raters} ratings agree and decided. `;
  return card(`Round ${round}: why`, `${heard}By what the companies' own held-out rows say of each other's encrypted updates.`,
    ends ? h("p", {}, `No model follows from this round: ${ends}.`) : null,
    table(`Weights of round ${round}`, [["Company"], ["Share", true], ["Left out because"]],
      contributions.map((one) => [one.name, percent(one.share, 1), one.left_out ?? "–"])));
}

/** Colours from none to the largest value of the matrix. */
function scaled(cells) {
  const most = Math.max(...cells.flat().map((cell) => cell.v ?? 0), 1e-9);
  return cells.map((row) => row.map((cell) => ({ ...cell, v: cell.v === null ? null : cell.v / most })));
}

function matrix({ revealed, settled }, people, choice) {
  const kinds = [...(revealed ? ["rewards", "scores"] : []), ...(settled && settled.ratings.some((row) => row.some((value) => value > 0)) ? ["smoothed", "trust"] : [])];
  if (!kinds.length) {
    return card("Who rates whom", null, empty("Nobody has rated yet.", "Without ratings every accepted contribution counts by its length alone, and nothing is paid."));
  }
  const kind = kinds.includes(choice()) ? choice() : kinds[0];
  const [, words] = KINDS[kind];
  let rows; let columns; let cells;
  if (kind === "rewards" || kind === "scores") {
    rows = revealed.rows.map((row) => name(people, row.participant));
    columns = revealed.rated.map((participant) => name(people, participant));
    cells = revealed.rows.map((row) => row[kind].map((value, i) => {
      if (revealed.rated[i] === row.participant) return { v: null, text: "–" };
      if (kind === "scores") return { v: Math.max(0, value / 32768), text: (value / 32768).toFixed(2) };
      const total = row.rewards.reduce((sum, one) => sum + one, 0) || 1;
      return { v: value / total, text: percent(value / total, 0) };
    }));
  } else {
    rows = settled.owners.map((owner) => ownerName(people, owner));
    columns = rows;
    const values = kind === "trust" ? settled.trust : settled.ratings;
    cells = values.map((row, i) => row.map((value, j) => (i === j ? { v: null, text: "–" } : { v: value, text: percent(value, 0) })));
  }
  const all = settled && settled.all > settled.owners.length ? ` The first ${settled.owners.length} of ${settled.all} owners; unsilo ledger export writes them all.` : "";
  return card("Who rates whom", null,
    h("div", { class: "choices", role: "group", "aria-label": "Which matrix" }, kinds.map((one) =>
      h("button", { id: `choose-${one}`, "aria-pressed": String(one === kind), on: { click: () => choice(one) } }, KINDS[one][0]))),
    h("p", { class: "quiet" }, words + all),
    heat(kind === "rewards" || kind === "scores" ? `${KINDS[kind][0]} revealed in round ${revealed.round}` : `${KINDS[kind][0]} after epoch ${settled.epoch}`,
      "Rater", rows, columns, scaled(cells)));
}

const rewards = {
  title: "Rewards",
  load: async ({ progress }) => ({ people: await ask("/v1/participants"), list: await pages("rewards", lastPage(progress.payments_listed)) }),
  show({ people, list }, { progress }) {
    const epoch = progress.epoch;
    const lead = h("p", { class: "lead" }, "Every epoch pays what its rounds minted and what queries brought in, as far as the raters' consensus bears it; the rest is never minted. unsilo ledger explain NAME ROUND says in words why a company got what it got.");
    const done = progress.phase === "finished";
    const now = epoch && h("dl", { class: "facts" },
      done ? h("div", { class: "fact" }, h("dt", {}, "Epochs settled"), h("dd", {}, epoch.epoch - 1), h("dd", { class: "sub" }, "all rounds are done"))
        : h("div", { class: "fact" }, h("dt", {}, "Epoch under way"), h("dd", {}, epoch.epoch), h("dd", { class: "sub" }, `${epoch.rounds} of ${epoch.of} rounds published`)),
      h("div", { class: "fact" }, h("dt", {}, "In its pool"), h("dd", {}, amount(epoch.emission + epoch.fees)), h("dd", { class: "sub" }, `${amount(epoch.fees)} of it fees`)),
      h("div", { class: "fact" }, h("dt", {}, "Paid so far"), h("dd", {}, amount(list.reduce((sum, one) => sum + one.paid, 0))), h("dd", { class: "sub" }, plural(list.length, "settlement"))));
    const paid = list.filter((one) => one.payouts.length);
    if (!paid.length) {
      const words = list.length ? "Epochs were settled, but no consensus of raters bore a payment: nothing was minted." : "The first epoch is not settled yet.";
      return [h("h1", {}, "Rewards"), lead, now, card("Rewards over time", null, empty("Nothing has been paid yet.", words))];
    }
    const totals = new Map();
    for (const one of list) {
      for (const { owner, amount: value, contributor, rater, niche } of one.payouts) {
        const sum = totals.get(owner) ?? { value: 0, contributor: 0, rater: 0, niche: 0, fees: 0 };
        sum.value += value; sum.contributor += contributor ?? 0; sum.rater += rater ?? 0; sum.niche += niche ?? 0;
        if (contributor === null) sum.fees += value;
        totals.set(owner, sum);
      }
    }
    const order = [...totals].sort((a, b) => b[1].value - a[1].value);
    const drawn = order.slice(0, order.length > LINES ? LINES - 1 : LINES).map(([owner]) => owner);
    const names = drawn.map((owner) => ownerName(people, owner));
    if (order.length > drawn.length) names.push(`${order.length - drawn.length} others`);
    const bars = list.slice(-40).map((one) => {
      const parts = drawn.map((owner, i) => ({ name: names[i], colour: i, value: one.payouts.find((payout) => payout.owner === owner)?.amount ?? 0 }));
      if (order.length > drawn.length) parts.push({ name: names.at(-1), colour: LINES - 1, value: one.payouts.filter((payout) => !drawn.includes(payout.owner)).reduce((sum, payout) => sum + payout.amount, 0) });
      return { label: one.kind === "epoch" ? `epoch ${one.epoch}` : "fees", parts };
    });
    return [h("h1", {}, "Rewards"), lead, now,
      card("Rewards over time", null, stacked(bars, `${plural(bars.length, "payment")}${list.length > bars.length ? `, the newest of ${amount(list.length)}` : ""}`, amount), legend(names),
        asTable("Payments by epoch", [["Payment"], ["Paid", true], ["Withheld", true], ...names.map((one) => [one, true])],
          list.slice(-40).map((one, i) => [bars[i].label, amount(one.paid), amount(one.withheld), ...bars[i].parts.map((part) => amount(part.value))]))),
      card("Who earned what", null, table("Rewards by company, all epochs", [["Company"], ["Contributing", true], ["Rating", true], ["Niche", true], ["Fees later", true], ["Total", true]],
        order.map(([owner, sum]) => [ownerName(people, owner), amount(sum.contributor), amount(sum.rater), amount(sum.niche), amount(sum.fees), h("strong", {}, amount(sum.value))]))),
    ];
  },
};

const ledger = {
  title: "Ledger",
  async load({ progress, choice }) {
    const newest = Math.max(0, Math.ceil(progress.ledger_entries / 32) - 1);
    const page = Math.min(choice() ?? newest, newest);
    return { newest, page, log: await ask(`/v1/ledger/pages/${page}`) };
  },
  show({ newest, page, log }, { choice }) {
    const go = (id, words, to, disabled) => h("button", { id, disabled, on: { click: () => choice(to === newest ? null : to) } }, words);
    return [
      h("h1", {}, "Ledger"),
      h("p", { class: "lead" }, "Every entry is signed by whom it concerns and can only be added to. Open one to have this browser check, by itself, that it is in the log that the coordinator signed. Any participant's copy replays to the same balances: unsilo ledger verify."),
      card("Entries", null, log.entries.length ? [
        table("Ledger entries, newest first", [["Entry"], ["Says"], ["Signed by"], ["Bytes", true]],
          [...log.entries].reverse().map((entry) => [h("a", { href: `#/ledger/${entry.index}` }, entry.index), entry.says,
            entry.signers.length > 3 ? `${entry.signers.slice(0, 3).join(", ")} and ${entry.signers.length - 3} more` : entry.signers.join(", "), amount(entry.bytes)])),
        h("p", { class: "choices" }, go("newest", "Newest", newest, page === newest), go("newer", "Newer", page + 1, page === newest), go("older", "Older", page - 1, page === 0), go("oldest", "Oldest", 0, page === 0)),
      ] : empty("The ledger is empty.", "Its first entry founds the federation, once every founder has signed it.")),
    ];
  },
};

const entry = {
  title: "Ledger entry",
  still: true,
  async load({ progress, rest }) {
    const answer = await ask(`/v1/ledger/entries/${encodeURIComponent(rest)}`);
    try {
      return { answer, proof: await check(answer, progress.coordinator_key) };
    } catch (error) {
      return { answer, failed: error.message };
    }
  },
  show({ answer, proof, failed }, { progress }) {
    const good = proof?.included && proof.signature !== false;
    const step = (mark, title, ...rest) => h("li", {}, h("span", { class: `mark ${mark === "✓" ? "good" : mark === "✗" ? "bad" : ""}`, "aria-hidden": "true" }, mark), h("div", {}, h("p", {}, h("strong", {}, title)), rest));
    const hash = (value) => h("p", { class: "hash" }, typeof value === "string" ? value : hex(value));
    return [
      h("p", {}, h("a", { href: "#/ledger" }, "← All entries")),
      h("h1", {}, `Entry ${answer.index}`),
      h("p", { class: "lead" }, answer.says, ". Signed by ", answer.signers.join(", ") || "nobody", "."),
      h("section", { class: "card" }, h("h2", { id: "verdict" }, failed ? "The proof cannot be checked" : good ? "This entry is in the ledger: checked in this browser" : "The proof does NOT hold"),
        failed ? h("p", {}, failed) : h("p", {}, good ? "From the entry's bytes to the root that the coordinator signed, by SHA-256 as RFC 6962 has it." : "What the coordinator sent does not fit together. Keep this page, and compare with unsilo ledger verify on a participant's copy."),
        proof && h("ol", { class: "steps" },
          step("1", `Leaf: SHA-256 of a zero byte and the entry's ${plural(answer.bytes, "byte")}`, hash(proof.leaf)),
          proof.steps.map((one, i) => step(String(i + 2), `With the ${one.side} neighbour`, h("p", { class: "hash quiet" }, hex(one.sibling)), hash(one.hash))),
          step(proof.included ? "✓" : "✗", proof.included ? `Equals the root of the log's ${plural(answer.size, "entry", "entries")}` : "Is not the root of the log", hash(proof.note.root)),
          step(proof.signature === true ? "✓" : proof.signature === false ? "✗" : "–", proof.signature === true ? "Which the coordinator signed (Ed25519)" : proof.signature === false ? "Which the coordinator did NOT sign" : "This browser has no Ed25519: the signature was not checked", hash(progress.coordinator_key),
            h("p", { class: "quiet" }, `${plural(Math.max(0, proof.note.signatures.length - 1), "participant has", "participants have")} cosigned this checkpoint: each replayed the log to the same state. That the key is this federation's, the copy of a participant knows.`)))),
      card("The same by command", "On a participant's directory, with its own copy of the log:",
        h("pre", { tabindex: 0 }, h("code", {}, `unsilo ledger verify DIR\nunsilo ledger show DIR --from ${answer.index} --limit 1`)),
        h("details", { id: "note" }, h("summary", {}, "The checkpoint"), h("pre", { tabindex: 0 }, h("code", {}, answer.checkpoint)))),
    ];
  },
};

const model = {
  title: "Use the model",
  load: async () => ({ model: await ask("/v1/models") }),
  show({ model: { round, model: hash, parameters, layers, label, classes, features } }) {
    const example = features.map((feature) => (feature.kind === "category" ? feature.categories[0] : feature.min)).join(",");
    const answer = h("div", { id: "answer", role: "status" });
    const row = h("textarea", { id: "row", spellcheck: "false", placeholder: example });
    const send = async (event) => {
      event.preventDefault();
      const text = row.value.trim() || example;
      // Categories may hold spaces; without commas, spaces separate.
      const cells = (/[,;]/.test(text) ? text.split(/[,;]/) : text.split(/\s+/)).map((cell) => cell.trim());
      const values = cells.map((cell) => (cell === "" ? null : Number.isNaN(Number(cell)) ? cell : Number(cell)));
      try {
        const { predictions: [{ class: best, probabilities }], round: by } = await ask("/v1/predict", { rows: [values] });
        answer.replaceChildren(h("p", {}, `${label}: `, h("strong", {}, best), ` (model of round ${by})`),
          table("Probability of each class", [["Class"], ["Probability", true], [""]], classes.map((one, i) => [one, percent(probabilities[i]), h("div", { class: "meter", vars: { to: probabilities[i].toFixed(4) } }, h("i", {}))])));
      } catch (error) {
        answer.replaceChildren(h("p", { class: "note" }, error.message));
      }
    };
    return [
      h("h1", {}, "Use the model"),
      h("p", { class: "lead" }, round === null ? "There is no model yet: it is served the moment the first round is published." : ["Model of round ", round, " with ", amount(parameters), " parameters (", layers.join(" – "), "), hash ", h("code", { title: hash }, short(hash))]),
      card("Ask it", `${plural(features.length, "column")} in, ${plural(classes.length, "class", "classes")} out. The coordinator sees what you send.`,
        h("form", { on: { submit: send } }, h("label", { for: "row" }, "One row: the columns' values in order, separated by commas"), row, h("p", {}, h("button", { class: "main", disabled: round === null }, "Predict"))), answer),
      card("From a program", "With the federation's certificate (authority.der of the coordinator, authority.pem of a participant):",
        h("pre", { tabindex: 0 }, h("code", {}, `unsilo query ${location.origin} --authority authority.der --csv rows.csv\ncurl --cacert authority.pem ${location.origin}/v1/predict -H 'content-type: application/json' -d '{"rows": [[…]]}'`)),
        h("details", { id: "columns" }, h("summary", {}, "Columns"), table("Columns of the model", [["Column"], ["From", true], ["To", true], ["Categories"], ["May be empty"]],
          features.map((feature) => [feature.name, feature.min ?? "–", feature.max ?? "–", feature.categories?.join(", ") ?? "–", feature.may_be_missing ? "yes" : "no"])))),
    ];
  },
  still: true,
};

/** The token that a person has given since the page was opened: nowhere else, so that it ends with the page. */
let token = "";

const feedback = {
  title: "Feedback",
  load: async () => ({}),
  show() {
    const given = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, placeholder: "unsilo_…" });
    given.value = token;
    const kind = h("select", { id: "kind" }, [["problem", "A problem"], ["idea", "An idea"], ["praise", "Praise"]].map(([value, words]) => h("option", { value }, words)));
    const text = h("textarea", { id: "text", required: true, maxlength: 4096 });
    const filed = h("div", { id: "filed", role: "status" });
    const own = h("div", { id: "own", role: "status" });
    const attempt = async (where, what) => {
      token = given.value.trim();
      try {
        where.replaceChildren(...[await what()].flat(9).filter(Boolean));
      } catch (error) {
        where.replaceChildren(h("p", { class: "note" }, error.message));
      }
    };
    const list = async () => {
      const { feedback: pieces } = await ask("/v1/feedback", undefined, token);
      return pieces.length ? [...pieces].reverse().map((piece) => h("article", {},
        h("p", {}, h("strong", {}, piece.kind), h("span", { class: "quiet" }, ` ${piece.id}, ${new Date(piece.at_ms).toLocaleString()}`)),
        h("p", { class: "said" }, piece.text),
        piece.answer === null ? h("p", { class: "quiet" }, "No answer yet.") : h("p", { class: "said" }, h("strong", {}, "Answer: "), piece.answer)))
        : empty("Nothing was said with this token yet.");
    };
    const send = (event) => {
      event.preventDefault();
      attempt(filed, async () => {
        const answer = await ask("/v1/feedback", { kind: kind.value, text: text.value }, token);
        text.value = "";
        attempt(own, list);
        return h("p", {}, `Filed as ${answer.id}. Its hash goes on the ledger; the receipt proves it: `, h("a", { href: `/v1/receipts/${answer.receipt}`, class: "hash" }, answer.receipt));
      });
    };
    return [
      h("h1", {}, "Feedback"),
      h("p", { class: "lead" }, "Tell the coordinator's admin what does not work, or works well. The text goes to the admin, its hash to the ledger, so that neither side can change later what was said. Participants use unsilo feedback, which signs with their own identity."),
      card("Say something", "With the token that the admin gave you; it stays in this page until you close it.",
        h("form", { id: "say", on: { submit: send } }, h("label", { for: "token" }, "Token"), given, h("label", { for: "kind" }, "It is"), kind,
          h("label", { for: "text" }, "What you have to say"), text, h("p", {}, h("button", { class: "main" }, "Send"))), filed),
      card("What you said, and the answers", null, h("p", {}, h("button", { id: "answers", on: { click: () => attempt(own, list) } }, "Show what was said with this token")), own),
    ];
  },
  still: true,
};

/** The views by the first word of the address. */
export const views = { "": overview, rounds, participants, weights, rewards, ledger, entry, model, feedback };
