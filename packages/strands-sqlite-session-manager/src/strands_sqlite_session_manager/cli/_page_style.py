"""How the page of a session looks: light and dark, narrow and wide, on paper too."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1c2128;--dim:#59636e;--line:#d5dae0;--user:#0b62c4;
--assistant:#187a3c;--tools:#8a5a00;--failed:#b3261e;--code:#eef1f4}
@media(prefers-color-scheme:dark){:root{--page:#111418;--card:#1a1f26;--text:#e3e8ee;--dim:#9aa6b3;--line:#303843;
--user:#6cb0ff;--assistant:#5fcf86;--tools:#e0ac4e;--failed:#ff8a80;--code:#11161c}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0 auto;max-width:54rem;padding:1.5rem 1rem 3rem;background:var(--page);color:var(--text);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
a{color:var(--user)}
:focus-visible{outline:2px solid var(--user);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem;border-radius:.4rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2rem 0 .5rem;overflow-wrap:anywhere}
.id,.about,footer,.none{color:var(--dim);font-size:.875rem;margin:.15rem 0;overflow-wrap:anywhere}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.5rem 0 0}
main{margin-top:1.25rem}
article{background:var(--card);border:1px solid var(--line);border-left:.25rem solid var(--role);border-radius:.5rem;
padding:.7rem 1rem .8rem;margin:0 0 .75rem;content-visibility:auto;contain-intrinsic-size:auto 9rem}
article:target{outline:2px solid var(--role)}
.user{--role:var(--user)}.assistant{--role:var(--assistant)}.tools{--role:var(--tools)}.other{--role:var(--dim)}
.head{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 .9rem;margin-bottom:.3rem;color:var(--dim);
font-size:.8125rem}
h3{margin:0;font-size:.875rem;color:var(--role)}
h3 a{color:var(--dim);font-weight:400;text-decoration:none;margin-left:.25rem}
h3 a:hover,h3 a:focus{text-decoration:underline}
.redacted{color:var(--failed)}
.text{white-space:pre-wrap;overflow-wrap:anywhere;margin:.35rem 0}
pre{margin:.4rem 0;padding:.6rem .75rem;background:var(--code);border-radius:.375rem;white-space:pre-wrap;
overflow-wrap:anywhere;font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
code{font:inherit}
details{margin:.35rem 0}
summary{cursor:pointer;color:var(--dim);font-size:.875rem;overflow-wrap:anywhere}
summary b{color:var(--tools);font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-weight:600}
.reasoning summary b,.block summary b{color:var(--dim);font-family:inherit}
.reasoning summary span{font-style:italic}
.reasoning pre{color:var(--dim);font-family:inherit;font-size:.9375rem}
.failed summary b{color:var(--failed)}
details[open]>summary>span{visibility:hidden}
figure{margin:.5rem 0}
img{max-width:100%;max-height:32rem;border-radius:.375rem;border:1px solid var(--line)}
figcaption,.media{color:var(--dim);font-size:.8125rem}
.media{margin:.35rem 0;padding:.35rem .6rem;border:1px dashed var(--line);border-radius:.375rem;width:fit-content}
footer{margin-top:2rem}
@media print{:root{--page:#fff;--card:#fff;--text:#000;--dim:#444;--line:#bbb;--code:#f3f3f3}
body{max-width:none;padding:0}
article{content-visibility:visible;break-inside:avoid-page}.skip,nav{display:none}
details::details-content{content-visibility:visible;block-size:auto}}
"""
