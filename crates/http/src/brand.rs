//! A tenant's colour as CSS custom properties that stay readable on light and dark pages.

use vestibule_identity::Tenant;

const DEFAULT: Rgb = Rgb([0x2f, 0x4b, 0xc4]);
const WHITE: Rgb = Rgb([0xff; 3]);
const BLACK: Rgb = Rgb([0; 3]);
/// Backgrounds of cards in `style.css`.
const LIGHT_CARD: Rgb = WHITE;
const DARK_CARD: Rgb = Rgb([0x1d, 0x20, 0x27]);
/// WCAG 2.2, 1.4.3.
const CONTRAST: f64 = 4.5;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Rgb([u8; 3]);

/// The tenant's stylesheet.
pub(crate) fn stylesheet(tenant: &Tenant) -> String {
    let color = tenant
        .file
        .branding
        .color
        .as_deref()
        .and_then(Rgb::parse)
        .unwrap_or(DEFAULT);
    let text = if contrast(color, WHITE) >= CONTRAST {
        WHITE
    } else {
        BLACK
    };
    let on_light = readable_on(color, LIGHT_CARD, BLACK);
    let on_dark = readable_on(color, DARK_CARD, WHITE);
    format!(
        ":root{{--brand:{};--brand-text:{};--brand-on-light:{};--brand-on-dark:{}}}\n",
        color.css(),
        text.css(),
        on_light.css(),
        on_dark.css()
    )
}

/// `color`, mixed with as much of `toward` as makes it readable on `background`.
fn readable_on(color: Rgb, background: Rgb, toward: Rgb) -> Rgb {
    (0..=20)
        .map(|step| color.mix(toward, step))
        .find(|mixed| contrast(*mixed, background) >= CONTRAST)
        .unwrap_or(toward)
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
        for hex in [
            "#1a56db", "#ffff00", "#000000", "#ffffff", "#777777", "#00ff00", "#0000ff",
        ] {
            let color = Rgb::parse(hex).unwrap();
            assert!(
                contrast(color, WHITE).max(contrast(color, BLACK)) >= CONTRAST,
                "{hex}"
            );
            assert!(
                contrast(readable_on(color, LIGHT_CARD, BLACK), LIGHT_CARD) >= CONTRAST,
                "{hex}"
            );
            assert!(
                contrast(readable_on(color, DARK_CARD, WHITE), DARK_CARD) >= CONTRAST,
                "{hex}"
            );
        }
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
