/**
 * The drawing: strokes and pictures in a square of side 1, their rendering, and their file.
 *
 * Nothing is ever taken away but by undo: clearing, or placing a picture, is a mark as well, which
 * hides those before it. So undo brings back whatever was there.
 */

const MOST_MARKS = 1000;
const FILE_SIDE = 280;
/** Keeps ink from the file's edge, so that its ground is found whatever is drawn. */
const FILE_MARGIN = 20;
const SENT_AS_THEY_ARE = new Set(["image/png", "image/jpeg", "image/webp", "image/bmp"]);
const LARGEST_SIDE = 1024;

/** @typedef {{x: number, y: number, width: number}} Point */
/** @typedef {{source: CanvasImageSource, width: number, height: number, file: Blob}} Picture */

export class Drawing extends EventTarget {
  /** @type {({points: Point[]} | {picture: Picture} | {blank: true})[]} */
  #marks = [];

  get empty() {
    return this.#shown().length === 0;
  }

  get canUndo() {
    return this.#marks.length > 0;
  }

  /** Begins a stroke. */
  begin(point) {
    this.#add({ points: [point] });
  }

  /** Continues the last stroke. */
  extend(points) {
    this.#marks.at(-1)?.points?.push(...points);
    this.#changed();
  }

  /** Shows a picture in place of what is drawn. */
  place(picture) {
    this.#add({ picture });
  }

  clear() {
    if (!this.empty) this.#add({ blank: true });
  }

  undo() {
    this.#marks.pop();
    this.#changed();
  }

  /** Paints into a square of so many pixels. */
  paint(context, side, ink) {
    for (const mark of this.#shown()) {
      if (mark.picture) paintPicture(context, side, mark.picture);
      else paintStroke(context, side, ink, mark.points);
    }
  }

  /** Returns the drawing as a file; null if it is empty. */
  async file() {
    const shown = this.#shown();
    if (shown.length === 0) return null;
    if (shown[0].picture) return shown[0].picture.file;
    const side = FILE_SIDE + 2 * FILE_MARGIN;
    const canvas = new OffscreenCanvas(side, side); // which encodes at once, not when all is idle
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000"; // as models see it: no ink is 0
    context.fillRect(0, 0, side, side);
    context.translate(FILE_MARGIN, FILE_MARGIN);
    this.paint(context, FILE_SIDE, "#fff");
    return canvas.convertToBlob(); // as PNG
  }

  #add(mark) {
    this.#marks.push(mark);
    if (this.#marks.length > MOST_MARKS) this.#marks.shift();
    this.#changed();
  }

  /** Returns the visible marks: a picture alone, or the strokes since the last other mark. */
  #shown() {
    const hiding = this.#marks.findLastIndex((mark) => !mark.points);
    const strokes = this.#marks.slice(hiding + 1);
    if (strokes.length > 0 || hiding < 0) return strokes;
    return this.#marks[hiding].picture ? [this.#marks[hiding]] : [];
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Reads a file that was dropped, pasted or chosen; raises where the browser cannot. */
export async function readPicture(file) {
  const source = await createImageBitmap(file);
  const { width, height } = source;
  if (SENT_AS_THEY_ARE.has(file.type)) return { source, width, height, file };
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  return { source, width, height, file: await redraw(source, width * scale, height * scale) };
}

/** Makes a picture of an image that the page has loaded. */
export async function takePicture(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  return { source: image, width, height, file: await redraw(image, width, height) };
}

function redraw(source, width, height) {
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side)));
  const canvas = new OffscreenCanvas(w, h);
  canvas.getContext("2d").drawImage(source, 0, 0, w, h);
  return canvas.convertToBlob();
}

function paintPicture(context, side, { source, width, height }) {
  const scale = side / Math.max(width, height);
  const [w, h] = [width * scale, height * scale];
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(source, (side - w) / 2, (side - h) / 2, w, h);
}

function paintStroke(context, side, ink, points) {
  context.strokeStyle = context.fillStyle = ink;
  context.lineCap = context.lineJoin = "round";
  let from = points[0];
  context.beginPath();
  context.arc(from.x * side, from.y * side, (from.width * side) / 2, 0, 2 * Math.PI);
  context.fill();
  for (let n = 1; n < points.length; n += 1) {
    const [by, next] = [points[n], points[n + 1]];
    const to = next ? { x: (by.x + next.x) / 2, y: (by.y + next.y) / 2 } : by;
    context.lineWidth = by.width * side;
    context.beginPath();
    context.moveTo(from.x * side, from.y * side);
    context.quadraticCurveTo(by.x * side, by.y * side, to.x * side, to.y * side);
    context.stroke();
    from = to;
  }
}
