//! What may be spent.

use app::{
    admission::Gate,
    costs::{Month, set_platform_budget},
    machine::StepError,
    money::month_of,
    ports::Alert,
};
use axum::{Json, extract::State};
use contract::budget::{Budget, BudgetAlert, BudgetScope, OwnBudget, Quota, SetBudget};
use domain::Currency;
use lambda::{AdminCaller, Body, Caller, Platform, Problem};

use crate::{asker, rate};

pub(crate) async fn own(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<OwnBudget>, Problem> {
    let asker = asker(&platform, caller).await?;
    let own = platform.purse().own(platform.store(), caller.user, platform.clock().now()).await?;
    Ok(Json(OwnBudget {
        budget: shown(&platform, own.month, asker.currency),
        stopped: own.stop.map(|stop| stop.to_string()),
        quota: Quota {
            max_jobs: own.quota.jobs,
            jobs: own.counts.admitted,
            max_gpus: own.quota.gpus,
            gpus: own.counts.gpus,
            waiting: own.counts.waiting,
        },
    }))
}

pub(crate) async fn platform(
    State(platform): State<Platform>,
    AdminCaller(admin): AdminCaller,
) -> Result<Json<Budget>, Problem> {
    let asker = asker(&platform, admin).await?;
    let month = platform.purse().platform(platform.clock().now()).await?;
    Ok(Json(shown(&platform, month, asker.currency)))
}

pub(crate) async fn set(
    State(platform): State<Platform>,
    AdminCaller(admin): AdminCaller,
    Body(body): Body<SetBudget>,
) -> Result<Json<Budget>, Problem> {
    let monthly = body.read()?;
    let gate = Gate {
        jobs: std::sync::Arc::new(platform.store().clone()),
        workflows: platform.workflows(),
        clock: platform.clock(),
        purse: platform.purse(),
    };
    set_platform_budget(&gate, monthly, admin.user).await.map_err(|error| match error {
        StepError::Unavailable(_) => Problem::unavailable(error),
        other => Problem::internal(other),
    })?;
    let asker = asker(&platform, admin).await?;
    let month = gate.purse.platform(platform.clock().now()).await?;
    Ok(Json(shown(&platform, month, asker.currency)))
}

fn shown(platform: &Platform, month: Month, currency: Currency) -> Budget {
    let rates = platform.config().rates;
    let standing = month.standing;
    let currency = standing.budget.map_or(currency, |budget| budget.currency);
    Budget {
        month: month_of(month.at),
        used: standing.used(rates, currency).into(),
        percent: standing.percent(rates),
        level: standing.level(rates).map(Into::into),
        budget: standing.budget.map(Into::into),
        spent: standing.spent.into_iter().map(Into::into).collect(),
        running: standing.running.into_iter().map(Into::into).collect(),
        cny_per_usd: rate(platform),
        alerts: month.alerts.into_iter().map(alert).collect(),
    }
}

fn alert(alert: Alert) -> BudgetAlert {
    BudgetAlert {
        scope: alert.owner.map_or(BudgetScope::Platform, |_| BudgetScope::Own),
        month: alert.month,
        level: alert.level.into(),
        at: alert.at,
        used: alert.used.into(),
        budget: alert.budget.into(),
    }
}
