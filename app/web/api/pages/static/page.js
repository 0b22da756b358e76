/** Connects the parts of the page: the drawing is classified, and the answer is shown. */

import { AnswerView, inWords } from "./answer.js";
import { Predictor } from "./predicting.js";
import { Drawing, readPicture, takePicture } from "./drawing.js";
import { KeyForm } from "./key.js";
import { ModelChoice } from "./models.js";
import { Pad } from "./pad.js";

/** Changes are spoken once they have rested for so long: nobody can listen to every stroke. */
const REST_MS = 900;

const at = (id) => document.getElementById(id);

const drawing = new Drawing();
const view = new AnswerView(document);
const key = new KeyForm(at("key-form"), at("forget"), () => predictor.ask());
const models = new ModelChoice(at("model"), at("prompt"), () => key.value);
const pad = new Pad(at("pad"), drawing, (down) => say(down ? "Pen down" : "Pen up", 0));
const predictor = new Predictor({
  file: () => drawing.file(),
  address: () => models.address,
  key: () => key.value,
  onBusy: (busy) => { at("answer").ariaBusy = busy; },
  onAnswer: showAnswer,
  onTrouble: showTrouble,
});

let speaking;
let said = "";
/** Incremented when earlier requests are obsolete. */
let turn = 0;

function say(words, afterMs = REST_MS) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    if (words !== said) at("spoken").textContent = words;
    said = words;
  }, afterMs);
}

async function showAnswer(answer) {
  const asked = turn;
  const labels = await models.labels(answer.model);
  if (asked !== turn) return;
  key.hide();
  tell("");
  view.show(answer, labels);
  say(inWords(answer));
}

function showTrouble({ sentence, waitS, keyNeeded }) {
  document.body.dataset.state = "troubled";
  if (keyNeeded) key.ask(sentence);
  const again = waitS ? ` Retrying in ${Math.round(waitS)} s.` : "";
  tell(keyNeeded ? "" : sentence + again);
  say(keyNeeded ? "The service requires an API key." : sentence);
}

function tell(words) {
  at("trouble").textContent = words;
  at("trouble").hidden = !words;
}

function rest() {
  turn += 1;
  predictor.cancel();
  tell("");
  view.rest(models.expected);
}

drawing.addEventListener("change", () => {
  at("undo").ariaDisabled = !drawing.canUndo; // not disabled, which would lose the focus
  at("clear").ariaDisabled = drawing.empty;
  document.body.classList.toggle("drawn", !drawing.empty);
  if (drawing.empty) rest();
  else predictor.ask();
});

models.addEventListener("change", () => {
  rest();
  if (!drawing.empty) predictor.ask();
});

function undo() {
  pad.lift();
  drawing.undo();
}

function clear() {
  pad.lift();
  drawing.clear();
  say("Cleared", 0);
}

async function place(file) {
  if (!file) return;
  try {
    drawing.place(await readPicture(file));
  } catch {
    tell(`${file.name || "The pasted content"} is not a picture that this browser can read.`);
    say(at("trouble").textContent, 0);
  }
}

at("undo").addEventListener("click", undo);
at("clear").addEventListener("click", clear);
at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", ({ target }) => {
  void place(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
at("try")?.addEventListener("click", async () => drawing.place(await takePicture(at("example"))));

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea")) return;
  const command = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if (command && event.key.toLowerCase() === "z") undo();
  else if (event.key === "Delete" || event.key === "Backspace") clear();
  else return;
  event.preventDefault();
});

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  if (file) event.preventDefault();
  void place(file);
});

for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    const over = type === "dragenter" || type === "dragover";
    document.body.classList.toggle("dropping", over && event.dataTransfer.types.includes("Files"));
    if (type === "drop") void place(event.dataTransfer.files[0]);
  });
}

// The command must work from here, whatever address a proxy passes to the service.
const command = at("command");
if (command) {
  const here = new URL("../..", import.meta.url).href.slice(0, -1);
  command.textContent = command.textContent.replaceAll(command.dataset.address, here);
}

rest();
