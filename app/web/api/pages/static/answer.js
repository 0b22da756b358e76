/** Shows an answer: the label, the bars, the model's input, its notes, the times. */

const MOST_BARS = 10;
const NOTES = {
  "inverted": "The ink was darker than its paper, and was inverted.",
  "transparent": "What was transparent was taken for paper.",
  "resized": "The whole picture was scaled to fit.",
  "specks": "Small spots were left out.",
};
const DOUBTS = {
  "blank": "Nothing was found on the paper.",
  "looks inverted": "It is dark on light, unlike what the model was trained on.",
  "nothing opaque": "What is opaque is as black as the rest.",
  "cropped": "The ink goes on beyond the edge.",
  "several shapes": "There is more than one shape; the model knows one at a time.",
  "low contrast": "Ink and paper are hard to tell apart.",
};

export class AnswerView {
  #page;
  #rows = [];

  /** @param {Document} page */
  constructor(page) {
    this.#page = page;
  }

  /**
   * Shows an answer.
   *
   * @param {object} answer from the predictor
   * @param {string[]} labels of the classes, in order
   */
  show({ prediction, model, roundTripMs, timings }, labels) {
    const { label, probability, probabilities, pixels, notes = [] } = prediction;
    this.#page.body.dataset.state = "answered";
    this.#head(label, percent(probability));
    this.bars(labels, probabilities);
    this.#saw(pixels);
    this.#tell(notes);
    this.#text("of-model", `${model.name} version ${model.version}`);
    this.#times(roundTripMs, timings);
  }

  /** Shows that nothing is drawn. */
  rest(labels) {
    this.#page.body.dataset.state = "empty";
    this.#head("", "");
    this.bars(labels, labels.map(() => null));
    this.#saw(null);
    this.#tell([]);
    this.#times(null, []);
  }

  /** Shows the classes in order where they are few, else those that are likeliest. */
  bars(labels, probabilities) {
    const all = probabilities.map((p, n) => ({ label: labels[n] ?? String(n), p }));
    const few = all.length <= MOST_BARS;
    const shown = few ? all : all.toSorted((a, b) => b.p - a.p).slice(0, MOST_BARS);
    const best = Math.max(...shown.map(({ p }) => p));
    while (this.#rows.length < shown.length) this.#rows.push(this.#row());
    this.#rows.forEach((row, n) => {
      row.element.hidden = n >= shown.length;
      if (n < shown.length) fill(row, shown[n], shown[n].p !== null && shown[n].p === best);
    });
    this.#element("more").hidden = few;
    this.#text("more", few ? "" : `The likeliest ${MOST_BARS} of ${all.length} classes.`);
  }

  #row() {
    const row = this.#element("bar").content.cloneNode(true).firstElementChild;
    this.#element("bars").append(row);
    const [label, bar, share] = row.children;
    return { element: row, label, bar, share };
  }

  #head(label, share) {
    this.#text("label", label);
    this.#text("share", share);
    this.#element("label").classList.toggle("word", [...label].length > 2);
  }

  /** Draws pixels as ink; pixels of three numbers as colours. */
  #saw(pixels) {
    const canvas = this.#element("saw");
    canvas.width = pixels?.[0].length ?? 28;
    canvas.height = pixels?.length ?? 28;
    canvas.setAttribute("aria-label", "Model input: nothing yet");
    this.#text("size", "");
    if (!pixels) return;
    const flat = pixels.flat().map((pixel) => [pixel].flat());
    const rgba = flat.flatMap((p) => (p.length === 3 ? [...p, 255] : [0, 0, 0, p[0]]));
    const image = new ImageData(new Uint8ClampedArray(rgba), canvas.width, canvas.height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.classList.toggle("ink", flat[0].length === 1);
    const size = `${canvas.width} by ${canvas.height} pixels`;
    canvas.setAttribute("aria-label", `Model input, ${size}`);
    this.#text("size", `${canvas.width} × ${canvas.height}`);
  }

  #tell(notes) {
    const list = this.#element("notes");
    const ordered = notes.toSorted((a, b) => (b in DOUBTS) - (a in DOUBTS));
    const items = ordered.map((note) => {
      const item = this.#page.createElement("li");
      item.textContent = DOUBTS[note] ?? NOTES[note] ?? note;
      item.classList.toggle("doubt", note in DOUBTS);
      return item;
    });
    list.replaceChildren(...items);
  }

  #times(roundTripMs, timings) {
    const named = new Map(timings);
    this.#text("round-trip", milliseconds(roundTripMs));
    this.#text("queue", milliseconds(named.get("queue")));
    this.#text("inference", milliseconds(named.get("inference")));
  }

  #text(id, text) {
    this.#element(id).textContent = text;
  }

  #element(id) {
    return this.#page.getElementById(id);
  }
}

/** Returns an answer in a few words. */
export function inWords({ prediction: { label, probability, notes = [] } }) {
  const doubts = notes.filter((note) => note in DOUBTS).map((note) => ` ${DOUBTS[note]}`);
  return `${label}, ${percent(probability)}.${doubts.join("")}`;
}

function fill({ element, label, bar, share }, shown, best) {
  label.textContent = shown.label;
  share.textContent = shown.p === null ? "" : percent(shown.p);
  bar.firstElementChild.style.setProperty("--share", shown.p ?? 0);
  element.classList.toggle("best", best);
}

function percent(share) {
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  if (share < 0.0005 && share > 0) return "< 0.1 %";
  return `${(share * 100).toFixed(1)} %`;
}

function milliseconds(ms) {
  return ms === null || ms === undefined ? "–" : `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`;
}
