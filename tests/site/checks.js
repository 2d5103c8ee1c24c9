// What can be wrong with a page: each function returns the defects it finds in the page it runs in.
({
  mathematics() {
    const found = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map(e => `error: ${e.textContent}`);
    for (const e of document.querySelectorAll(".math"))
      if (!e.querySelector("mjx-container")) found.push(`not rendered: ${e.textContent}`);
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { data, parentElement } = texts.currentNode;
      // Half a formula, too: where Markdown took the rest for a list or a quote.
      if (/\$|\\[a-z(\[]|\{[\w:]+\}`/i.test(data) && !parentElement.closest("pre, code, script, style, .math"))
        found.push(`source of a formula or a link: ${data}`);
    }
    return found;
  },

  // The parts that the page lacks, of these selectors by name; read without its scripts.
  async parts(selectors) {
    const page = new DOMParser().parseFromString(await (await fetch(location)).text(), "text/html");
    return Object.keys(selectors).filter(part => !page.querySelector(selectors[part]));
  },

  images() {
    return [...document.images].flatMap(image => {
      const caption = image.closest("figure")?.querySelector("figcaption");
      return [
        !image.getAttribute("alt")?.trim() && `no alternative text: ${image.src}`,
        !image.naturalWidth && `not loaded: ${image.src}`,
        image.closest("article") && !caption?.textContent.trim() && `no caption: ${image.src}`,
      ].filter(Boolean);
    });
  },

  // The page does not scroll sideways; what reaches beyond the screen is in a box of its own that does.
  width() {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth)
      found.push(`the page scrolls: it is ${document.documentElement.scrollWidth} px wide`);
    const scrolls = e =>
      e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement.closest("article *")));
    for (const e of document.querySelectorAll("article :is(img, table, pre, mjx-container, p, li, h1, h2, h3)"))
      if (e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
        found.push(`cut off: <${e.localName}> ${e.textContent.slice(0, 60)}`);
    return found;
  },

  // Text is at least 14 px high, text in figures at least 8 px. Figures are Matplotlib's SVG, which draws a text of
  // s points as glyphs in a group scaled by s/100.
  async legibility() {
    const found = [];
    for (const e of document.querySelectorAll("article :is(p, li, dd, td, pre)"))
      if (parseFloat(getComputedStyle(e).fontSize) < 14)
        found.push(`small text: <${e.localName}> ${e.textContent.slice(0, 60)}`);
    for (const image of document.querySelectorAll("article img")) {
      const source = await (await fetch(image.src)).text();
      const drawing = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
      const texts = [...drawing.querySelectorAll("g[transform*='scale(']")].map(g => g.getAttribute("transform"));
      const points = Math.min(...texts.map(transform => 100 * parseFloat(transform.split("scale(")[1])));
      const pixels = (points * image.getBoundingClientRect().width) / drawing.viewBox?.baseVal.width;
      if (!(pixels >= 8 && pixels < Infinity)) found.push(`text of ${pixels} px in a figure: ${image.src}`);
    }
    return found;
  },

  // Drawings in the page have a name, text of at least 11 px, links with a name around their text, and edges (paths that
  // are not arrowheads) that run through none of their nodes.
  drawings() {
    const found = [];
    for (const drawing of document.querySelectorAll("article svg[role]:not([aria-hidden], mjx-container svg)")) {
      if (!drawing.checkVisibility()) continue;
      const names = (drawing.getAttribute("aria-labelledby") ?? "").split(" ").map(id => document.getElementById(id));
      if (!drawing.getAttribute("aria-label")?.trim() && !names.every(name => name?.textContent.trim()))
        found.push("a drawing without a name");
      for (const text of drawing.querySelectorAll("text")) {
        const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
        if (!(size >= 11)) found.push(`text of ${size} px in a drawing: ${text.textContent}`);
        const { left, right } = text.getBoundingClientRect();
        if (left < 0 || right > innerWidth) found.push(`cut off in a drawing: ${text.textContent}`);
      }
      const nodes = [...drawing.querySelectorAll("a")].map(a => [a, a.querySelector("rect").getBBox()]);
      for (const [a, { x, y, width, height }] of nodes) {
        const text = a.querySelector("text").getBBox();
        if (!a.getAttribute("aria-label")) found.push(`a node without a name: ${a.textContent.trim()}`);
        if (text.x < x || text.x + text.width > x + width || text.y < y || text.y + text.height > y + height)
          found.push(`text beyond its node: ${a.textContent.trim()}`);
      }
      for (const path of drawing.querySelectorAll("path:not(.arrowhead)"))
        for (let at = 1; at < path.getTotalLength() - 1; at += 2) {
          const point = path.getPointAtLength(at);
          const hit = nodes.find(([, { x, y, width, height }]) =>
            point.x > x && point.x < x + width && point.y > y && point.y < y + height);
          if (hit) {
            found.push(`an edge runs through a node: ${hit[0].textContent.trim()}`);
            break;
          }
        }
    }
    return found;
  },

  // WCAG 2, level AA, for text of any size.
  contrast() {
    document.getAnimations().forEach(animation => animation.finish());
    const channels = color =>
      color.match(/[\d.]+/g).map((value, i) => (color.startsWith("color(") && i < 3 ? 255 * value : +value));
    const blend = ([r, g, b, a = 1], under, opacity = 1) =>
      [r, g, b].map((value, i) => value * a * opacity + under[i] * (1 - a * opacity));
    // What text stands on, and how opaque it is, [surface, opacity]: of an element as of its parent, computed once.
    const known = new Map([[null, [[255, 255, 255], 1]]]);
    const ground = e => {
      if (!known.has(e)) {
        const [surface, opacity] = ground(e.parentElement);
        const style = getComputedStyle(e);
        known.set(e, [blend(channels(style.backgroundColor), surface), opacity * style.opacity]);
      }
      return known.get(e);
    };
    const linear = value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) =>
      0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);

    const elements = new Set(document.querySelectorAll("mjx-container"));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) if (texts.currentNode.data.trim()) elements.add(texts.currentNode.parentElement);
    const found = [];
    for (const e of elements) {
      if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const style = getComputedStyle(e);
      const drawn = e.closest("svg[role]") && e.closest("text");
      const node = drawn && e.closest("a")?.querySelector("rect");
      let [surface, opacity] = ground(e);
      if (node) surface = blend(channels(getComputedStyle(node).fill), surface);
      const text = blend(channels(drawn ? style.fill : style.color), surface, opacity);
      const [dark, light] = [luminance(text), luminance(surface)].sort((a, b) => a - b);
      const ratio = (light + 0.05) / (dark + 0.05);
      if (ratio < 4.5)
        found.push(`contrast ${ratio.toFixed(2)}: <${e.localName} class="${e.className}"> ${e.textContent.slice(0, 40)}`);
    }
    return found;
  },
})
