//! A tenant's colour as CSS custom properties that stay readable on light and dark pages.

use minijinja::{Value, context};
use vestibule_identity::Tenant;

const DEFAULT: Rgb = Rgb([0x2f, 0x4b, 0xc4]);
const WHITE: Rgb = Rgb([0xff; 3]);
const BLACK: Rgb = Rgb([0; 3]);
/// Backgrounds of cards in `style.css`.
const LIGHT_CARD: Rgb = WHITE;
const DARK_CARD: Rgb = Rgb([0x1d, 0x20, 0x27]);
/// WCAG 2.2, 1.4.3.
const CONTRAST: f64 = 4.5;
/// WCAG 2.2, 1.4.11: where a button ends.
const EDGE_CONTRAST: f64 = 3.0;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Rgb([u8; 3]);

/// The tenant's stylesheet.
pub(crate) fn stylesheet(tenant: &Tenant) -> String {
    let color = tenant.file.branding.color.as_deref();
    let Palette {
        fill,
        text,
        links: [on_light, on_dark],
        edges: [edge_light, edge_dark],
    } = Palette::of(color.and_then(Rgb::parse).unwrap_or(DEFAULT));
    let declarations = [
        ("", fill),
        ("-text", text),
        ("-on-light", on_light),
        ("-on-dark", on_dark),
        ("-edge-light", edge_light),
        ("-edge-dark", edge_dark),
    ];
    let declarations = declarations.map(|(name, color)| format!("--brand{name}:{}", color.css()));
    format!(":root{{{}}}\n", declarations.join(";"))
}

/// Fonts that mail programs have, in an attribute's quotes.
pub(crate) const MAIL_FONTS: &str =
    "-apple-system,Segoe UI,Roboto,Noto Sans,Helvetica,Arial,sans-serif";

/// The colours of a button in a mail.
pub(crate) fn mail_look(tenant: &Tenant) -> Value {
    let color = tenant.file.branding.color.as_deref();
    let palette = Palette::of(color.and_then(Rgb::parse).unwrap_or(DEFAULT));
    let [edge, _] = palette.edges;
    context! { fill => palette.fill.css(), text => palette.text.css(), edge => edge.css(), fonts => MAIL_FONTS }
}

/// What is made of one colour. Pairs are for light and dark pages.
struct Palette {
    fill: Rgb,
    /// On the fill.
    text: Rgb,
    links: [Rgb; 2],
    edges: [Rgb; 2],
}

impl Palette {
    fn of(fill: Rgb) -> Palette {
        let text = if contrast(fill, WHITE) >= CONTRAST {
            WHITE
        } else {
            BLACK
        };
        let pair = |least| {
            [
                fill.standing_out(LIGHT_CARD, BLACK, least),
                fill.standing_out(DARK_CARD, WHITE, least),
            ]
        };
        Palette {
            fill,
            text,
            links: pair(CONTRAST),
            edges: pair(EDGE_CONTRAST),
        }
    }
}

/// WCAG 2.2 contrast ratio, 1 to 21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (a.luminance(), b.luminance());
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

impl Rgb {
    fn parse(text: &str) -> Option<Rgb> {
        let hex = text
            .strip_prefix('#')
            .filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let [_, r, g, b] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
        Some(Rgb([r, g, b]))
    }

    /// The colour, mixed with as little of `toward` as makes it stand out on `background`.
    fn standing_out(self, background: Rgb, toward: Rgb, least: f64) -> Rgb {
        (0..=20)
            .map(|step| self.mix(toward, step))
            .find(|mixed| contrast(*mixed, background) >= least)
            .unwrap_or(toward)
    }

    fn css(self) -> String {
        let Rgb([r, g, b]) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    fn mix(self, other: Rgb, twentieths: u16) -> Rgb {
        let blend = |a: u8, b: u8| {
            ((u16::from(a) * (20 - twentieths) + u16::from(b) * twentieths) / 20) as u8
        };
        let (Rgb(a), Rgb(b)) = (self, other);
        Rgb([blend(a[0], b[0]), blend(a[1], b[1]), blend(a[2], b[2])])
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        let Rgb([r, g, b]) = self;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_gives_readable_text() {
        let steps = || (0..=255).step_by(15).map(|step| step as u8);
        let cube = steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])));
        let greys = (0..=255).map(|grey| [grey; 3]);
        for color in cube.chain(greys).map(Rgb) {
            let palette = Palette::of(color);
            assert!(contrast(palette.text, color) >= CONTRAST, "{color:?}");
            let [light, dark] = palette.links;
            assert!(contrast(light, LIGHT_CARD) >= CONTRAST, "{color:?}");
            assert!(contrast(dark, DARK_CARD) >= CONTRAST, "{color:?}");
            let [light, dark] = palette.edges;
            assert!(contrast(light, LIGHT_CARD) >= EDGE_CONTRAST, "{color:?}");
            assert!(contrast(dark, DARK_CARD) >= EDGE_CONTRAST, "{color:?}");
        }
    }

    #[test]
    fn the_cards_are_those_of_the_stylesheet() {
        let style = include_str!("../../../pages/assets/style.css");
        let mut cards = style
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--card: "));
        let expected = [LIGHT_CARD, DARK_CARD].map(|card| format!("{};", card.css()));
        assert_eq!(
            [cards.next(), cards.next()],
            expected.each_ref().map(|card| Some(card.as_str()))
        );
    }

    #[test]
    fn only_hex_colours_reach_the_stylesheet() {
        for text in [
            "red",
            "#fff",
            "#12345g",
            "#1234567",
            "#fff}body{x",
            "",
            "#１２３４５６",
        ] {
            assert_eq!(Rgb::parse(text), None, "{text}");
        }
        let tenant = crate::site::sample_tenant("[branding]\ncolor = '#1a56db'");
        assert!(stylesheet(&tenant).contains("--brand:#1a56db;--brand-text:#ffffff;"));
    }
}
