//! Types of resources that one machine has nothing for. Each is listed with the reason: a type that is in no list is refused.

/// Types without a counterpart here, and why that changes nothing for who develops.
pub const NO_COUNTERPART: &[(&str, &str)] = &[
    ("AWS::IAM::Role", "only functions' own policies are held to"),
    ("AWS::IAM::ManagedPolicy", "read where a function refers to it"),
    ("AWS::Lambda::Permission", "whoever reaches the ports may call"),
    ("AWS::Logs::LogGroup", "logs go to a folder or to standard error"),
    ("AWS::CloudWatch::Alarm", "there are no metrics, and nobody to wake"),
    ("AWS::CloudWatch::Dashboard", "there are no metrics to show"),
    ("AWS::SNS::Topic", "carries alarms only"),
    ("AWS::SNS::TopicPolicy", "carries alarms only"),
    ("AWS::SNS::Subscription", "carries alarms only"),
    ("AWS::Budgets::Budget", "nothing here costs money"),
    ("AWS::S3::Bucket", "holds the dashboard, which is served from frontend/dist"),
    ("AWS::S3::BucketPolicy", "holds the dashboard, which is served from frontend/dist"),
    ("AWS::CloudFront::Distribution", "one port serves the dashboard and the API here"),
    ("AWS::CloudFront::Function", "the front itself answers unknown paths with the index page"),
    ("AWS::CloudFront::OriginAccessControl", "guards the bucket"),
    ("AWS::CloudFront::ResponseHeadersPolicy", "the page carries its own content policy"),
];

pub(super) fn has_no_counterpart(kind: &str) -> bool {
    NO_COUNTERPART.iter().any(|(known, _)| *known == kind)
}
