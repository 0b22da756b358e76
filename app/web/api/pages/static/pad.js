/** The pad: turns what pointers and arrow keys do into strokes of a drawing, and paints it. */

const PEN_WIDTH = 0.072;
const STEP = 1 / 40;
const LARGE_STEP = 1 / 10;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  #canvas;
  #drawing;
  #onPen;
  #pointer = null;
  #pen = { x: 0.5, y: 0.5, width: PEN_WIDTH, down: false, seen: false };
  #held = new Set();
  #painting = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./drawing.js").Drawing} drawing
   * @param {(down: boolean) => void} onPen called when the keyboard's pen is put down or lifted
   */
  constructor(canvas, drawing, onPen) {
    this.#canvas = canvas;
    this.#drawing = drawing;
    this.#onPen = onPen;
    this.#listen({
      pointerdown: (event) => this.#press(event),
      pointermove: (event) => this.#move(event),
      pointerup: (event) => this.#release(event),
      pointercancel: (event) => this.#takeBack(event),
      keydown: (event) => this.#key(event),
      keyup: (event) => this.#held.delete(event.key),
      focus: () => this.#showPen(canvas.matches(":focus-visible")),
      blur: () => this.#leave(),
    });
    drawing.addEventListener("change", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  /** Paints at the next frame. */
  paint() {
    if (this.#painting) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      this.#paintNow();
    });
  }

  /** Lifts the keyboard's pen, as before the drawing is changed otherwise. */
  lift() {
    if (!this.#pen.down) return;
    this.#pen.down = false;
    this.#onPen(false);
    this.paint();
  }

  #listen(listeners) {
    for (const [type, listener] of Object.entries(listeners)) {
      this.#canvas.addEventListener(type, listener);
    }
  }

  #press(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.lift();
    this.#showPen(false);
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drawing.begin(this.#point(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const gathered = event.getCoalescedEvents?.() ?? [];
    const events = gathered.length > 0 ? gathered : [event];
    this.#drawing.extend(events.map((one) => this.#point(one)));
  }

  #release(event) {
    if (event.pointerId === this.#pointer) this.#pointer = null;
  }

  /** Undoes a stroke that was none: the palm of a hand, or a gesture of the system. */
  #takeBack(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#drawing.undo();
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const pressed = event.pointerType === "pen" && event.pressure > 0;
    return {
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
      width: PEN_WIDTH * (pressed ? 0.5 + event.pressure : 1),
    };
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in WAYS) this.#steer(event);
    else if (event.key === " ") this.#toggle(event);
    else if (event.key === "Escape") this.lift();
    else return;
    event.preventDefault();
    this.#showPen(true);
  }

  /** Moves the pen the way of every arrow that is held, so that two give a diagonal. */
  #steer(event) {
    this.#held.add(event.key);
    const step = event.shiftKey ? LARGE_STEP : STEP;
    for (const key of this.#held) {
      const [x, y] = WAYS[key];
      this.#pen.x = within(this.#pen.x + x * step);
      this.#pen.y = within(this.#pen.y + y * step);
    }
    if (this.#pen.down) this.#drawing.extend([this.#at()]);
  }

  #toggle(event) {
    if (event.repeat || this.#pointer !== null) return;
    this.#pen.down = !this.#pen.down;
    if (this.#pen.down) this.#drawing.begin(this.#at());
    this.#onPen(this.#pen.down);
  }

  #at() {
    const { x, y, width } = this.#pen;
    return { x, y, width };
  }

  #showPen(seen) {
    this.#pen.seen = seen;
    this.paint();
  }

  #leave() {
    this.#held.clear();
    this.lift();
    this.#showPen(false);
  }

  #paintNow() {
    const canvas = this.#canvas;
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, side, side);
    this.#drawing.paint(context, side, style.color);
    if (this.#pen.seen) this.#paintPen(context, side, style.getPropertyValue("--accent"));
  }

  /** A ring with a cross, filled while the pen is down. */
  #paintPen(context, side, colour) {
    const [x, y, radius] = [this.#pen.x * side, this.#pen.y * side, (PEN_WIDTH * side) / 2];
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = Math.max(2, side / 160);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (this.#pen.down) context.fill();
    for (const [across, down] of Object.values(WAYS)) {
      context.moveTo(x + across * radius, y + down * radius);
      context.lineTo(x + across * radius * 2, y + down * radius * 2);
    }
    context.stroke();
  }
}

function within(value) {
  return Math.min(1 - PEN_WIDTH / 2, Math.max(PEN_WIDTH / 2, value));
}
