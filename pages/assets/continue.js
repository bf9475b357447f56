// In the browser that asked for the mail, its link goes on by itself: the button is pressed for the person.
const go = () => document.querySelector("form[data-continue]")?.requestSubmit();
if (document.prerendering) document.addEventListener("prerenderingchange", go, { once: true });
else go();
