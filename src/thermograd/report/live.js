// Asks the server what is new and shows it. Text of the run is only ever set as text.
(() => {
  const at = (id) => document.getElementById(id);
  const token = new URLSearchParams(location.search).get("token");
  const SIGNS = { finished: "✓", diverged: "✗", failed: "!", pending: "…" };
  const CELLS = { finished: "✓", working: "▶", stopped: "‖", pending: "·", failed: "!" };
  const [CELL, MOST_ROWS] = [25, 8];
  const OVER = new Set(["finished"]);
  const RESTING = new Set(["interrupted", "failed", "damaged", "gone"]);
  const known = { version: -1, about: null, series: {}, drawn: {} };
  let heard = 0;
  let sinceChange = null;
  let timer = 0;
  let failures = 0;

  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const shown = (id, visible) => { at(id).hidden = !visible; };
  const number = (value, digits = 4) => (value === null ? "not defined" : String(Number(value.toPrecision(digits))));
  const count = (many, name) => `${many} ${name}${many === 1 ? "" : "s"}`;
  const duration = (seconds) => {
    if (seconds < 90) return count(Math.round(seconds), "second");
    if (seconds < 5400) return count(Math.round(seconds / 60), "minute");
    return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} hours` : `${(seconds / 86400).toFixed(1)} days`;
  };
  const timeLeft = (left) => {
    if (left.high === null) return `at least ${duration(left.low)}; the pace varies too much to say more`;
    const [low, high] = [duration(left.low), duration(left.high)];
    return low === high ? `about ${low}` : `${low} to ${high}`;
  };

  const merge = (answer) => {
    if (answer.full) Object.assign(known, { about: answer.about, series: {}, drawn: {} });
    known.version = answer.version;
    const changed = [];
    for (const [name, points] of Object.entries(answer.series ?? {})) {
      const rows = (known.series[name] ??= new Map());
      points.step.forEach((step, place) => {
        rows.set(step, [points.mean[place], points.low[place], points.high[place], points.trajectories[place]]);
      });
      changed.push(name);
    }
    return changed;
  };

  const showAge = () => {
    at("age").textContent = sinceChange === null ? "none yet" : `${duration(sinceChange + (Date.now() - heard) / 1000)} ago`;
  };

  const showFacts = (answer) => {
    const { about } = known;
    const left = answer.time_left;
    const rows = [
      ["Time left", left ? timeLeft(left) : answer.state === "running" ? "not known: it takes seven commits, the last not long ago" : null],
      ["Speed", left ? `${left.speed >= 100 ? Math.round(left.speed) : number(left.speed, 3)} trajectory-steps per second` : null],
      ["Length", `${about.trajectories} × ${count(about.steps, "optimiser step")}, blocks of ${about.block_size}`],
      ["Engine, seed", `${about.engine}, ${about.seed}`],
      ["Run directory", about.path],
      ["Still to be read", answer.unread ? count(answer.unread, "block") : null],
    ];
    at("facts").replaceChildren(...rows.filter(([, text]) => text).flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
    showAge();
  };

  const showOutcome = (outcome) => {
    at("outcome").replaceChildren(...Object.entries(SIGNS).map(([name, sign]) => {
      const item = element("li", undefined, name);
      const mark = element("b", sign);
      mark.setAttribute("aria-hidden", "true");
      item.append(mark, `${outcome[name]} ${name}`);
      return item;
    }));
  };

  const showBlocks = (answer) => {
    const { about } = known;
    const working = new Set(answer.working);
    const failed = new Set(answer.failed);
    const kind = (block) => {
      if (failed.has(block)) return "failed";
      if (answer.committed[block] >= about.steps) return "finished";
      if (working.has(block)) return "working";
      return answer.committed[block] >= 0 ? "stopped" : "pending";
    };
    const kinds = answer.committed.map((_, block) => kind(block));
    const totals = {};
    for (const name of kinds) totals[name] = (totals[name] ?? 0) + 1;
    const words = { finished: "finished", working: "at work", stopped: "begun, not at work", pending: "pending", failed: "failed" };
    const said = Object.keys(CELLS).filter((name) => totals[name]).map((name) => `${CELLS[name]} ${totals[name]} ${words[name]}`);
    const most = MOST_ROWS * Math.max(1, Math.floor(at("blocks").clientWidth / CELL));
    const group = Math.ceil(kinds.length / most);
    if (group > 1) said.push(`a square is ${group} blocks`);
    at("legend").replaceChildren(...said.map((text) => element("span", text)));
    const cells = [];
    for (let first = 0; first < kinds.length; first += group) {
      const members = kinds.slice(first, first + group);
      const name = ["failed", "working", "stopped"].find((entry) => members.includes(entry)) ??
        (members.every((entry) => entry === "finished") ? "finished" : members.includes("finished") ? "stopped" : "pending");
      const steps = answer.committed.slice(first, first + group).reduce((sum, step) => sum + Math.max(step, 0), 0);
      const share = about.steps ? steps / (about.steps * members.length) : Number(name === "finished");
      const cell = element("span", undefined, `cell ${name}`);
      const fill = element("i");
      fill.style.width = `${100 * share}%`;
      cell.append(fill, element("b", CELLS[name]));
      const which = members.length > 1 ? `blocks ${first} to ${first + members.length - 1}` : `block ${first}`;
      cell.title = `${which}: ${words[name]}, ${Math.round(100 * share)} % committed`;
      cells.push(cell);
    }
    at("blocks").replaceChildren(...cells);
  };

  const conclusion = (rows) => {
    const { about } = known;
    const steps = [...rows.keys()].filter((step) => rows.get(step)[3] > 0).sort((a, b) => a - b);
    if (!steps.length) return "Every trajectory that recorded it has diverged.";
    const last = steps.at(-1);
    const [mean, , high, many] = rows.get(last);
    const most = Math.max(...steps.map((step) => rows.get(step)[3]));
    const spread = many > 1 && high !== null ? ` ± ${number(high - mean, 2)} (standard deviation)` : "";
    const rest = most > many ? `; earlier times rest on up to ${most}, so the curve may jump where blocks end` : "";
    return `Mean ${number(mean)}${spread} at ${about.unit} ${number(last / about.steps_per_unit)}, over ${many} of ` +
      `${count(about.trajectories, "trajectory").replace("trajectorys", "trajectories")}${rest}.`;
  };

  const drawn = (name) => {
    if (known.drawn[name]) return known.drawn[name];
    const figure = element("figure");
    const made = { sentence: element("p", undefined, "conclusion"), plot: element("div", undefined, "plot"), figure };
    made.plot.setAttribute("role", "img");
    figure.append(element("h3", known.about.figures[name].title), made.sentence, made.plot);
    at("figures").append(figure);
    return (known.drawn[name] = made);
  };

  const draw = (name) => {
    const { about } = known;
    const rows = known.series[name];
    const made = drawn(name);
    const steps = [...rows.keys()].sort((a, b) => a - b);
    const x = steps.map((step) => step / about.steps_per_unit);
    const column = (place) => steps.map((step) => rows.get(step)[place]);
    const figure = about.figures[name];
    const many = column(3);
    const mean = column(0);
    const [low, high] = [column(1), column(2)].map((edge) => edge.map((value, place) => value ?? mean[place]));
    const columns = [low, high, mean];
    const data = figure.data.map((trace, place) => ({ ...trace, x, y: columns[place] }));
    data[2].customdata = many;
    data[2].hovertemplate = "%{y:.4~g} over %{customdata} trajectories";
    if (steps.length < 40) Object.assign(data[2], { mode: "lines+markers", marker: { color: data[2].line.color, size: 5 } });
    const title = made.figure.querySelector("h3").textContent;
    made.sentence.textContent = conclusion(rows);
    made.plot.setAttribute("aria-label", `${title}. ${made.sentence.textContent}`);
    const { data: traces, layout } = pageTheme.themed({ data, layout: figure.layout }, made.plot.clientWidth);
    return Plotly.react(made.plot, traces, layout, pageTheme.options);
  };

  const list = (id, lines) => at(id).replaceChildren(...lines.map((line) => element("li", line)));

  const show = async (answer) => {
    heard = Date.now();
    sinceChange = answer.seconds_since_change;
    if (answer.full) {
      at("figures").replaceChildren();
      document.querySelector("h1").textContent = answer.about.name;
    }
    const changed = merge(answer);
    if (answer.text !== undefined) {
      if (at("text").textContent !== answer.text) at("text").textContent = answer.text;
      const share = `${(100 * answer.progress).toFixed(answer.progress < 1 ? 1 : 0)} %`;
      at("progress").value = answer.progress;
      at("share").textContent = share;
      document.title = `${share} ${known.about.name}`;
      showOutcome(answer.outcome);
      showBlocks(answer);
      list("failures", answer.failures);
      shown("failed", answer.failures.length > 0);
      const hidden = known.about.not_drawn ? [`${count(known.about.not_drawn, "more scalar")} of this run are not drawn here.`] : [];
      list("notes", [...answer.notes, ...hidden]);
      shown("noted", answer.notes.length + hidden.length > 0);
      at("happened").replaceChildren(...[...answer.events].reverse().map((event) => {
        const row = element("tr");
        row.append(...event.map((text) => element("td", text)));
        return row;
      }));
      shown("events", answer.events.length > 0);
    }
    const none = Object.keys(known.series).length === 0;
    at("nothing").textContent = none
      ? "Nothing is committed yet. Curves appear with the first commit: when a chunk of records is full, " +
        `at most ${duration(known.about.checkpoint_seconds)} after a block began.`
      : "";
    shown("nothing", none);
    showFacts(answer);
    shown("gone", false);
    await Promise.all(changed.map(draw));
    document.body.dataset.ready = "1";
  };

  // Milliseconds until the next question; null for none.
  const pause = (answer) => {
    if (answer.unread) return 50;
    if (OVER.has(answer.state)) return null;
    if (document.hidden) return 15000;
    return RESTING.has(answer.state) ? 5000 : 1000;
  };

  let latest = null;
  let asking = false;
  const answered = async () => {
    const query = new URLSearchParams(known.version < 0 ? {} : { since: String(known.version) });
    if (token) query.set("token", token);
    const reply = await fetch(`/data.json?${query}`, { cache: "no-store", signal: AbortSignal.timeout(60000) });
    if (!reply.ok) throw new Error(`it answers ${reply.status}`);
    return reply.json();
  };
  const lost = (error) => {
    at("gone").textContent = `The server of this page is gone (${error.message}). What it said last is shown; ` +
      `start it again with: thermograd watch ${known.about?.path ?? "RUN"}, and open the address it prints.`;
    shown("gone", true);
  };
  const ask = async () => {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    let answer = null;
    try {
      answer = await answered();
      failures = 0;
    } catch (error) {
      failures += 1;
      lost(error);
    }
    const next = answer ? pause(answer) : Math.min(30000, 1000 * 2 ** failures);
    if (next !== null) timer = setTimeout(ask, next);
    if (answer) {
      latest = answer;
      await show(answer).finally(() => { asking = false; });
    }
    asking = false;
  };

  pageTheme.follow(() => Object.keys(known.series).forEach(draw));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !(latest && pause(latest) === null)) ask();
  });
  setInterval(() => { if (latest && !document.hidden) showAge(); }, 1000);
  ask();
})();
